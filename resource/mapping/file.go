package mapping

// fileForm is the file as it is written. Keys that belong to a provider are
// the sections of Parse and stay as they are.
type fileForm struct {
	Tables               map[string]map[string]string `yaml:"tables"`
	Account              *entityForm                  `yaml:"account"`
	Transaction          *entityForm                  `yaml:"transaction"`
	Statement            *entityForm                  `yaml:"statement"`
	Customer             *entityForm                  `yaml:"customer"`
	Holder               *entityForm                  `yaml:"holder"`
	Contact              *entityForm                  `yaml:"contact"`
	PaymentNetwork       *entityForm                  `yaml:"paymentNetwork"`
	AssetTransferNetwork *entityForm                  `yaml:"assetTransferNetwork"`
}

// entityForm is the rules of one entity by target. Categories holds those
// that only accounts of one category, or their transactions, have.
type entityForm struct {
	Line       int
	Fields     map[string]rule            `yaml:"fields"`
	Categories map[string]map[string]rule `yaml:"categories"`
}

// rule says where the value of a target comes from. A plain text in place of
// the keys is a rule with that from alone.
type rule struct {
	Line int
	// The source: exactly one of these, or Each with Fields.
	From  string  `yaml:"from"`
	Const *string `yaml:"const"`

	// What to do when the record has no such value.
	Optional bool    `yaml:"optional"`
	Default  *string `yaml:"default"`

	// How the value is written.
	Table     string `yaml:"table"`
	Format    string `yaml:"format"`
	Zone      string `yaml:"zone"`
	Pivot     *int   `yaml:"pivot"`
	Decimal   string `yaml:"decimal"`
	Thousands string `yaml:"thousands"`
	Minor     *int   `yaml:"minor"`
	Negative  string `yaml:"negative"`
	Sign      string `yaml:"sign"`
	Mask      string `yaml:"mask"`

	// A list in the record, and how each of its elements is mapped.
	Each   string          `yaml:"each"`
	Fields map[string]rule `yaml:"fields"`
}
