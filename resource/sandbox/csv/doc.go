// Package csv reads a bank that comes as a folder of delimited text files,
// plain or gzipped, by a mapping that says which column means what. The
// mapping is data: a new bank needs a new file, not new code.
//
// It owns the mapping language and the reading. It must not know stores or
// ids. A file with a fault is refused with its line and column, and so is a
// mapping with an unknown key: what cannot be understood is never guessed or
// passed over.
//
// # The mapping
//
// A mapping is a JSON object:
//
//	institution   name of the bank; with the account key it identifies accounts
//	currency      ISO 4217 code of all amounts
//	format        how the files are written:
//	    delimiter  one character, "," by default
//	    quote      one character, "\"" by default; "" when nothing is quoted
//	    decimal    "." by default, or ","
//	    date       such as "YYYY-MM-DD", the default, or "YYMMDD hh:mm:ss"
//	    century    what YY counts from, such as 1900; needed with YY
//	files         name -> { path, columns, lastLineCut }:
//	    path        relative to the folder of the import
//	    columns     names of the columns, when there is no header line
//	    lastLineCut true drops a last line that does not end
//	codes         name -> { value in the file: value meant }; "*" stands for any other
//	rebase        { file, column, days }: moves all dates by whole weeks, so
//	              that the newest date of that column is at least so many days
//	              before today; weekdays stay
//	customers     sections that each make one entry per row, see below
//	accounts
//	holders
//	transactions
//
// Every section is a list of objects with
//
//	from          name of the file whose rows are read
//	join          prefix -> { file, on, key, optional }: adds, as "prefix.column",
//	              the columns of the row of another file whose column key equals
//	              column on; no such row is a fault unless optional
//	where         list of conditions that a row must meet to be read:
//	              { column, in: [values] }, { column, present: true } or
//	              { column, notFuture: true } for a date
//
// and with values for
//
//	customers     username*, name*
//	accounts      key*, category* (DEPOSIT_ACCOUNT, LOC_ACCOUNT or LOAN_ACCOUNT, a
//	              constant), type*, productName*, number, nickname, status, balance,
//	              available, creditLine, originalPrincipal, originatingDate,
//	              loanTerm, nextPaymentAmount
//	holders       username*, account*, relationship* (OWNER, JOINT, AUTHORIZED_USER)
//	transactions  account*, key*, date*, amount*, description*, direction (CREDIT
//	              or DEBIT; by the sign of the amount when absent), payee, balance
//	              (of the account after the transaction: the newest becomes the
//	              account's balance)
//
// A value, where * marks those that a row cannot do without, is one of
//
//	"text"                             the same for every row
//	{ column, codes }                  a column, translated if codes names a table
//	{ template: "client-{client_id}" } text with columns in it
//	{ first: [value, ...] }            the first that is not empty
package csv
