package detect

import "time"

// What tells many people behind one address from one who guesses (decision
// 0039). It stands here because the fleet's questions need it, too.
const (
	// Company is how many accounts of a client have to log in as people do until
	// it is thought of, and at least one for CompanyShare that fail.
	Company, CompanyShare = 4, 4
	// ManyPasswords for one account within ten minutes are nobody's who forgot
	// his.
	ManyPasswords = 10
	// TypingTime passes at least between two attempts of a hand.
	TypingTime = time.Second
)
