-- A made-up core banking system: German names, numbers as text, codes.
CREATE SCHEMA kern;
CREATE TABLE kern.kunde (kdnr integer PRIMARY KEY, vname varchar(30), nname char(30) NOT NULL, geb char(6), post text, tel jsonb);
CREATE TABLE kern.konto (lfd bigint PRIMARY KEY, iban char(34) NOT NULL, art char(2) NOT NULL, saldo bigint NOT NULL,
	zins varchar(10), st char(1) NOT NULL, name varchar(40));
CREATE TABLE kern.recht (kdnr integer NOT NULL REFERENCES kern.kunde, lfd bigint NOT NULL REFERENCES kern.konto, rolle char(4) NOT NULL,
	PRIMARY KEY (kdnr, lfd));
CREATE TABLE kern.umsatz (unr bigint PRIMARY KEY, lfd bigint NOT NULL REFERENCES kern.konto, buchtag date, zeit timestamptz NOT NULL,
	betrag varchar(20) NOT NULL, sh char(1) NOT NULL, vz text, wert char(6));
CREATE INDEX ON kern.umsatz (lfd, buchtag, unr);
CREATE INDEX ON kern.umsatz (lfd, zeit, unr) WHERE buchtag IS NULL;
CREATE TABLE kern.auszug (lfd bigint NOT NULL REFERENCES kern.konto, nr varchar(10) NOT NULL, bis date NOT NULL, datei bytea, PRIMARY KEY (lfd, nr));
CREATE TABLE kern.weg (lfd bigint NOT NULL REFERENCES kern.konto, netz char(1) NOT NULL, blz char(9) NOT NULL, tok varchar(40) NOT NULL, raus boolean NOT NULL);

CREATE SCHEMA frei;
CREATE VIEW frei.berechtigt AS SELECT kdnr, lfd, rolle FROM kern.recht;
CREATE VIEW frei.konto AS SELECT lfd, iban, art, saldo, zins, st, name FROM kern.konto;
CREATE VIEW frei.umsatz AS SELECT unr, lfd, buchtag, zeit, betrag, sh, vz, wert,
	CASE WHEN buchtag IS NULL THEN 'V' ELSE 'G' END AS lage FROM kern.umsatz;
CREATE VIEW frei.auszug AS SELECT lfd, nr, bis, datei, CASE WHEN datei IS NULL THEN 'M' ELSE 'F' END AS lage FROM kern.auszug;
CREATE VIEW frei.kunde AS SELECT kdnr, vname, nname, geb, post, tel FROM kern.kunde;
CREATE VIEW frei.weg AS SELECT lfd, netz, blz, tok, raus FROM kern.weg;

INSERT INTO kern.kunde VALUES
	(4711, 'Anna', 'Muster', '800703', 'anna@example.com', '[{"nr": "49301", "art": "M"}]'),
	(4712, 'Bernd', 'Muster', NULL, NULL, NULL),
	(4713, NULL, 'Fremd GmbH', NULL, 'post@example.com', NULL);
INSERT INTO kern.konto VALUES
	(100, 'DE02120300000000202051', 'GI', -123456, NULL, 'A', 'Giro'),
	(101, '4111111111111111', 'KK', 10050, NULL, 'A', NULL),
	(102, 'DE02120300000000202052', 'DA', 2500000, '4,25', 'E', NULL),
	(103, 'DE02120300000000202053', 'GI', 1, NULL, 'S', NULL),
	(104, 'DE02120300000000202054', 'GI', 0, NULL, 'N', 'Neu'),
	(200, 'DE02120300000000202055', 'GI', 999, NULL, 'A', 'Fremd');
INSERT INTO kern.recht VALUES (4711, 100, 'GEM1'), (4712, 100, 'GEM2'), (4711, 101, 'INH'), (4711, 102, 'INH'), (4711, 103, 'INH'),
	(4711, 104, 'INH'), (4713, 200, 'INH');
-- Three bookings a day, so that days have ties; and three that are pending.
INSERT INTO kern.umsatz
	SELECT 1000 + n, 100, date '2026-03-17' - n / 3, timestamptz '2026-03-17 09:00+01' - (n / 3) * interval '1 day', '1.0' || lpad((n % 10)::text, 2, '0') || ',50',
		CASE WHEN n % 2 = 0 THEN 'S' ELSE 'H' END, 'Zahlung ' || n, to_char(date '2026-03-17' - n / 3, 'YYMMDD')
	FROM generate_series(0, 59) n;
INSERT INTO kern.umsatz VALUES
	(2001, 100, NULL, '2026-03-18 08:00+00', '7,00', 'S', 'Vorgemerkt', NULL), (2002, 100, NULL, '2026-03-18 08:00+00', '8,00', 'S', NULL, NULL),
	(2003, 100, NULL, '2026-03-16 08:00+00', '9,00', 'H', 'Vorgemerkt', NULL),
	(3001, 101, '2026-03-01', '2026-03-01 12:00+00', '5,00', 'S', 'Karte', '260301'),
	(4001, 200, '2026-03-01', '2026-03-01 12:00+00', '5,00', 'S', 'Fremd', '260301');
INSERT INTO kern.auszug VALUES
	(100, '2026-02', '2026-02-28', '%PDF-1.7 zwei'), (100, '2026-01', '2026-01-31', '%PDF-1.7 eins'), (100, '2025-12', '2025-12-31', NULL),
	(100, '2025-11', '2025-11-30', '%PDF-1.7 elf'), (200, '2026-02', '2026-02-28', '%PDF-1.7 fremd');
INSERT INTO kern.weg VALUES (100, 'A', '021000021', 'tok-100', true), (100, 'F', '021000021', 'tok-100', false), (102, 'A', '021000021', 'tok-102', true),
	(200, 'A', '021000021', 'tok-200', true);

