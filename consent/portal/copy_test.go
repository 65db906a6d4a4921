package portal

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// entry is one text of a catalogue: its forms by plural category, "other"
// alone for one that does not count.
type entry map[string]string

func readCatalogue(t *testing.T, lang string) map[string]entry {
	t.Helper()
	files, err := fs.Glob(locales, "locales/"+lang+"/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	raw, n := map[string]any{}, 0
	for _, name := range files {
		b, err := locales.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		one := map[string]any{}
		if err := json.Unmarshal(b, &one); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		n += len(one)
		maps.Copy(raw, one)
	}
	if n != len(raw) {
		t.Errorf("%s: a text is in two files", lang)
	}
	all := map[string]entry{}
	for key, v := range raw {
		switch v := v.(type) {
		case string:
			all[key] = entry{"other": v}
		case map[string]any:
			m := entry{}
			for form, s := range v {
				m[form] = s.(string)
			}
			all[key] = m
		default:
			t.Fatalf("%s: %s is a %T", lang, key, v)
		}
	}
	return all
}

var placeholder = regexp.MustCompile(`\{\{[^}]*\}\}`)

func TestEveryLanguageHasEveryText(t *testing.T) {
	t.Parallel()
	folders, err := fs.Glob(locales, "locales/*")
	if err != nil || len(folders) != len(languages) {
		t.Fatalf("folders %v, languages %v, %v", folders, languages, err)
	}
	// Plural categories of whole numbers (CLDR).
	forms := map[string][]string{"en": {"one", "other"}, "es": {"many", "one", "other"}, "fr": {"many", "one", "other"}, "sv": {"one", "other"}, "zh": {"other"}}
	english := readCatalogue(t, "en")
	for _, lang := range languages {
		other := readCatalogue(t, lang)
		for key := range other {
			if _, ok := english[key]; !ok {
				t.Errorf("%s has %s, English has not", lang, key)
			}
		}
		for key, en := range english {
			m, ok := other[key]
			if !ok {
				t.Errorf("%s lacks %s", lang, key)
				continue
			}
			want := []string{"other"}
			if len(en) > 1 {
				want = forms[lang]
			}
			if got := slices.Sorted(maps.Keys(m)); !slices.Equal(got, want) {
				t.Errorf("%s: %s has the forms %v, want %v", lang, key, got, want)
			}
			holes := holesOf(en["other"])
			for form, s := range m {
				if got := holesOf(s); !slices.Equal(got, holes) {
					t.Errorf("%s: %s (%s) has %v, English %v", lang, key, form, got, holes)
				}
				if s != strings.TrimSpace(s) || s == "" {
					t.Errorf("%s: %s is empty or has space around it", lang, key)
				}
			}
			// Names and codes may be the same; whole sentences may not.
			if lang != "en" && len(strings.Fields(en["other"])) > 3 && m["other"] == en["other"] {
				t.Errorf("%s: %s is still in English", lang, key)
			}
		}
	}
}

func holesOf(s string) []string {
	holes := placeholder.FindAllString(s, -1)
	slices.Sort(holes)
	return slices.Compact(holes)
}

// used finds the keys that templates and code name.
var used = regexp.MustCompile(`\bT[ (]"([a-z_.]+)"`)

func TestEveryTextIsUsedAndEveryUsedTextExists(t *testing.T) {
	t.Parallel()
	english := readCatalogue(t, "en")
	named := map[string]bool{}
	for _, dir := range []string{".", "templates"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.IsDir() || strings.HasSuffix(e.Name(), "_test.go") {
				continue
			}
			b, err := os.ReadFile(dir + "/" + e.Name())
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range used.FindAllStringSubmatch(string(b), -1) {
				if !strings.HasSuffix(m[1], ".") {
					named[m[1]] = true
				}
			}
		}
	}
	for key := range named {
		if _, ok := english[key]; !ok {
			t.Errorf("%s is used and not in the catalogue", key)
		}
	}
	// Keys that code puts together.
	made := regexp.MustCompile(`^(data|kind|steps|by|grant|notice|topic|method)\.|^accounts\.(closed|locked|pending|other)$|^problem\.[a-z_]+(\.text)?$|^history\.(op|why)\.|^filter\.(day|order)$`)
	for key := range english {
		if !named[key] && !made.MatchString(key) {
			t.Errorf("%s is in the catalogue and never used", key)
		}
	}
	for _, c := range fdx.AllClusters() {
		for _, part := range []string{"label", "line", "more"} {
			if _, ok := english["data."+c.String()+"."+part]; !ok {
				t.Errorf("no %s for %s", part, c)
			}
		}
	}
}

// banned are words that consumers should not have to know, and words that
// press or blame them, by language.
var banned = map[string][]string{
	"en": {
		"consent", "revoke", "authori[sz]", "cluster", "token", "third party", "tpp", "oauth", "api", "grant",
		"hurry", "now or never", "last chance", "miss out", "only today", "urgent", "regret", "are you sure", "unfortunately you", "recommended", "best experience",
	},
	"es": {"consentimiento", "consentir", "revocar", "autoriz", "token", "clúster", "urgente", "última oportunidad", "está seguro"},
	"fr": {"consentement", "consentir", "révoqu", "autoris", "jeton", "token", "urgent", "dernière chance", "êtes-vous sûr"},
	"sv": {"samtyck", "återkall", "auktoriser", "behörig", "token", "kluster", "brådska", "sista chansen", "är du säker"},
	"zh": {"同意", "撤销", "撤回", "授权", "令牌", "集群", "紧急", "最后机会", "确定要"},
}

func TestWordsPeopleKnow(t *testing.T) {
	t.Parallel()
	for lang, words := range banned {
		for key, m := range readCatalogue(t, lang) {
			for _, s := range m {
				for _, w := range words {
					pattern := `(?i)` + w
					if lang == "en" {
						pattern = `(?i)\b` + w
					}
					if found := regexp.MustCompile(pattern).FindString(placeholder.ReplaceAllString(s, "X")); found != "" {
						t.Errorf("%s: %s says %q: %s", lang, key, found, s)
					}
				}
			}
		}
	}
}

// TestReadingGrade estimates the US school grade that each English text asks
// for (Flesch-Kincaid). Labels of data are fixed by FDX and not measured;
// below five words the formula says nothing.
func TestReadingGrade(t *testing.T) {
	t.Parallel()
	for key, m := range readCatalogue(t, "en") {
		if strings.HasSuffix(key, ".label") {
			continue
		}
		for _, s := range m {
			s = placeholder.ReplaceAllStringFunc(s, func(hole string) string {
				switch hole {
				case "{{.Date}}":
					return "June 1"
				case "{{.N}}", "{{.Number}}":
					return "12"
				}
				return "Bee"
			})
			limit := 8.0
			if strings.HasSuffix(key, ".title") {
				limit = 6
			}
			if grade, words := gradeOf(s); words >= 5 && grade > limit {
				t.Errorf("%s is grade %.1f, more than %.0f: %s", key, grade, limit, s)
			}
		}
	}
	// The estimate itself, on sentences of known grade.
	for s, want := range map[string][2]float64{
		"You can stop at any time. If you do nothing, sharing ends on June 1.":                                                                      {0, 4},
		"The undersigned data recipient hereby certifies that it has satisfied the obligations regarding covered data under applicable regulation.": {14, 30},
	} {
		if grade, _ := gradeOf(s); grade < want[0] || grade > want[1] {
			t.Errorf("estimate %.1f, want %v: %s", grade, want, s)
		}
	}
}

func gradeOf(s string) (grade float64, words int) {
	sentences := max(1, len(regexp.MustCompile(`[.!?:]+(\s|$)`).FindAllString(s, -1)))
	syllables := 0
	for _, w := range strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' }) {
		words++
		syllables += syllablesOf(w)
	}
	if words == 0 {
		return 0, 0
	}
	return 0.39*float64(words)/float64(sentences) + 11.8*float64(syllables)/float64(words) - 15.59, words
}

var vowels = regexp.MustCompile(`[aeiouy]+`)

func syllablesOf(word string) int {
	word = strings.TrimSuffix(word, "'s")
	if len(word) > 3 {
		switch {
		case strings.HasSuffix(word, "le"):
		case strings.HasSuffix(word, "es") && !regexp.MustCompile(`(s|x|z|ch|sh|c|g)es$`).MatchString(word):
			word = strings.TrimSuffix(word, "es")
		case strings.HasSuffix(word, "ed") && !regexp.MustCompile(`[td]ed$`).MatchString(word):
			word = strings.TrimSuffix(word, "ed")
		case strings.HasSuffix(word, "e"):
			word = strings.TrimSuffix(word, "e")
		}
	}
	return max(1, len(vowels.FindAllString(word, -1)))
}

// The same data has the same name everywhere: all pages take it from the one
// set of labels, so it is enough that labels differ from each other.
func TestEachDataHasANameOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, lang := range languages {
		seen := map[string]string{}
		for key, m := range readCatalogue(t, lang) {
			if !strings.HasPrefix(key, "data.") || !strings.HasSuffix(key, ".label") {
				continue
			}
			if other, ok := seen[m["other"]]; ok {
				t.Errorf("%s: %s and %s are both %s", lang, key, other, m["other"])
			}
			seen[m["other"]] = key
		}
	}
}

func TestPlurals(t *testing.T) {
	t.Parallel()
	c, err := newCatalogue(time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range map[int][]string{
		0: {"0 accounts", "1 account", "2 accounts", "1,000,000 accounts"},
		1: {"0 cuentas", "1 cuenta", "2 cuentas", "1.000.000 de cuentas"},
		2: {"0 compte", "1 compte", "2 comptes", "1 000 000 de comptes"},
		3: {"0 konton", "1 konto", "2 konton", "1 000 000 konton"},
		4: {"0 个账户", "1 个账户", "2 个账户", "1,000,000 个账户"},
	} {
		for j, n := range []int{0, 1, 2, 1_000_000} {
			got := strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(c.texts[i].T("fact.count", "Count", n))
			if got != want[j] {
				t.Errorf("%s: %q, want %q", languages[i], got, want[j])
			}
		}
	}
	if got := c.texts[0].T("no.such.key"); got != "no.such.key" {
		t.Errorf("unknown key: %q", got)
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("EST", -5*3600)
	c, err := newCatalogue(zone)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2027, 2, 1, 14, 5, 0, 0, time.UTC)
	for i, want := range []string{
		"1 February 2027, 09:05", "1 de febrero de 2027, 09:05", "1er février 2027, 09:05", "1 februari 2027, 09:05", "2027年2月1日 09:05",
	} {
		if got := c.texts[i].Moment(at); got != want {
			t.Errorf("%s: %s, want %s", languages[i], got, want)
		}
	}
	en := c.texts[0]
	if got := en.Date(time.Date(2027, 1, 1, 3, 0, 0, 0, time.UTC)); got != "31 December 2026" {
		t.Errorf("date in the bank's zone: %s", got)
	}
	if got := en.Day(fdx.DateOf(at)); got != "1 February 2027" {
		t.Errorf("day: %s", got)
	}
	if got := en.Zone(at); got != "EST" {
		t.Errorf("zone: %s", got)
	}
	if en.Date(time.Time{})+en.Moment(time.Time{})+en.Day(fdx.Date{}) != "" {
		t.Error("no time is shown as one")
	}
	for lang, names := range months {
		if len(names) != 12 {
			t.Errorf("%s has %d months", lang, len(names))
		}
	}
}

// wordings are the digests of every disclosure wording that was in use, by
// version. A stored disclosure names its version, so the wording of a version
// never changes: whoever changes a word adds a version.
var wordings = map[string]string{
	"2026-11":      "d6637b0f53190b1822d2f8537eb28a8e",
	"2026-11-22":   "4e7198834fcbc7a35c7e7ea167143e94",
	"2026-11-22.2": "0445ea9a5e341eab6af088d9a8069038",
	"2026-11-22.3": "2d0acceafa8ec35da65730d58e068222",
	"2026-11-22.4": "a6dd3d626ce663a05c856f9288f259c2",
}

func TestDisclosureVersionNamesTheWording(t *testing.T) {
	t.Parallel()
	c, err := newCatalogue(time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	app := consent.Recipient{Name: "BudgetBee", LegalName: "BudgetBee Ltd", Registry: "FDX", RegistryID: "BB-1", Intermediaries: []consent.Party{{Name: "LinkHub"}}, Benefit: "A plan for each month."}
	rows := []accountRow{{ID: "a", Name: "Everyday account", Number: "4321"}, {ID: "c", Name: "Savings", Number: "8765"}}
	held := []accountRow{{ID: "a", Name: "Everyday account"}, {ID: "b", Name: "Card"}}
	was := func(a consent.Action) earlier {
		return earlier{Change: consent.Change{Action: a}, Agreed: "1 March", Held: held, Grant: consent.Grant{
			Purpose: "other", Duration: consent.OneTime, ExpiresAt: time.Unix(1795341600, 0), LookbackDays: 30,
			Resources: []consent.Resource{
				{Type: consent.ResourceAccount, ID: "a", Clusters: fdx.NewClusters(fdx.Balances, fdx.Bills)},
				{Type: consent.ResourceAccount, ID: "b", Clusters: fdx.NewClusters(fdx.Balances)},
			},
		}}
	}
	h := sha256.New()
	for _, text := range c.texts {
		for _, duration := range []consent.DurationType{consent.OneTime, consent.Persistent} {
			for _, days := range []int{0, 1, 90} {
				whose := consent.Holder{Kind: consent.HolderOwn}
				switch days {
				case 0:
					whose = consent.Holder{}
				case 1:
					whose = consent.Holder{ID: "b", Kind: consent.HolderBusiness, Name: "Ceramics"}
				}
				q := consent.Request{
					Purpose: consent.Purpose{Label: "To budget."}, Duration: duration, LookbackDays: days,
					Account: fdx.NewClusters(fdx.AllClusters()...),
				}
				if days == 0 {
					q.Account = fdx.NewClusters(fdx.AccountBasic, fdx.CustomerContact)
				}
				for _, e := range []earlier{{}, was(consent.ActionReplace), was(consent.ActionMerge)} {
					h.Write([]byte(newReview(text, bankName, app, consent.Authorization{Request: q, Holder: whose}, rows, e, time.Unix(1795255200, 0)).Disclosure().Text))
				}
			}
		}
	}
	if got := hex.EncodeToString(h.Sum(nil)[:16]); wordings[disclosureVersion] != got {
		t.Errorf("the wording of version %s is not %s but %s: a new wording needs a new version",
			disclosureVersion, wordings[disclosureVersion], got)
	}
}
