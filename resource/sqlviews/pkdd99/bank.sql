-- The PKDD'99 bank as its own tables, made of the files as they are (schema
-- raw, all text), and the views over them. The rows of raw.shift hold how many
-- days the bank is moved, so that its last day is yesterday.
CREATE SCHEMA bank;
CREATE TABLE bank.txn AS
	SELECT trans_id::bigint AS trans_id, 'a-' || account_id AS account_key, to_date('19' || date, 'YYYYMMDD') + s.days AS day,
		type, operation, amount, balance, k_symbol
	FROM raw.trans, raw.shift s;
CREATE INDEX ON bank.txn (account_key, day, trans_id);
CREATE TABLE bank.account AS
	SELECT 'a-' || a.account_id AS account_key, 'K' AS kind, a.account_id AS number, a.frequency AS product, 'C' AS state,
		(SELECT t.balance FROM bank.txn t WHERE t.account_key = 'a-' || a.account_id ORDER BY t.day DESC, t.trans_id DESC LIMIT 1) AS balance,
		NULL AS granted, NULL AS months
	FROM raw.account a
	UNION ALL
	SELECT 'l-' || loan_id, 'U', loan_id, NULL, status, amount, date, duration FROM raw.loan
	UNION ALL
	SELECT 'c-' || card_id, 'C', card_id, type, 'C', '0.00', NULL, NULL FROM raw.card;
CREATE UNIQUE INDEX ON bank.account (account_key);
CREATE TABLE bank.disp AS
	SELECT client_id, 'a-' || account_id AS account_key, type FROM raw.disp
	UNION ALL
	SELECT d.client_id, 'l-' || l.loan_id, d.type FROM raw.loan l JOIN raw.disp d ON d.account_id = l.account_id AND d.type = 'OWNER'
	UNION ALL
	SELECT d.client_id, 'c-' || c.card_id, 'OWNER' FROM raw.card c JOIN raw.disp d ON d.disp_id = c.disp_id;
CREATE INDEX ON bank.disp (client_id, account_key);
CREATE INDEX ON bank.disp (account_key);
ANALYZE;

CREATE SCHEMA share;
CREATE VIEW share.holder AS SELECT client_id, account_key, type FROM bank.disp;
CREATE VIEW share.account AS SELECT account_key, kind, number, product, state, balance, granted, months FROM bank.account;
CREATE VIEW share.txn AS SELECT trans_id, account_key, day, type, operation, amount, k_symbol FROM bank.txn;
-- Months of women are 50 higher in the number of a birth.
CREATE VIEW share.client AS
	SELECT c.client_id, d."A2" AS town,
		left(c.birth_number, 2) || lpad((substr(c.birth_number, 3, 2)::int % 50)::text, 2, '0') || right(c.birth_number, 2) AS born
	FROM raw.client c JOIN raw.district d ON d."A1" = c.district_id;
