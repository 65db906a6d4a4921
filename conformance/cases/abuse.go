package cases

import "github.com/headgate/headgate/conformance/suite"

// abuse: races, replays, swaps, oversize, injection, smuggling.
func abuse() []suite.Case {
	return []suite.Case{
		{
			ID: "abuse.race.code", Title: "of eight redemptions of a code at the same moment one succeeds at most", Spec: "RFC 6749, 4.1.2; FAPI 2.0 Security Profile, 5.3.2.2", Needs: []suite.Claim{suite.PAR},
			Mend: "Use the code up by a compare-and-set in the store, in the transaction that issues the tokens.",
			Run: func(t *suite.T) {
				a := t.Code(t.A(), suite.Ask{})
				answers := t.Race(8, func(int) *suite.Request { return t.TokenRequest(a) })
				if won := suite.CountStatus(answers, 200); won != 1 {
					t.Errorf("%d redemptions succeeded; expected 1", won)
				}
				for _, answer := range answers {
					if answer != nil && answer.Status != 200 {
						t.Expect(answer, suite.Refused("invalid_grant"))
					}
				}
			},
		},
	}
}
