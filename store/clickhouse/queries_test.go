package clickhouse

import (
	"flag"
	"testing"
	"time"

	"github.com/authtap/authtap/store/clickhouse/clickhousetest"
)

var (
	queriesSize = flag.Float64("queries", 0.0005, "the size of TestQueries: 1 is 10 million findings and 100 million login attempts")
	queriesDays = flag.Int("queries.days", 3, "over how many days of TestQueries they are spread")
	queriesDSN  = flag.String("queries.on", "", "a database for TestQueries, which is kept, and filled where it is empty")
)

func TestQueries(t *testing.T) {
	dsn := *queriesDSN
	if dsn == "" {
		dsn = clickhousetest.Start(t).DSN()
	}
	s := connect(t, dsn, Options{Timeout: time.Minute})
	generate(t, s, *queriesSize, *queriesDays, []string{"brute_force", "jwt_alg_none", "basic_auth", "password_spraying", "credential_stuffing", "token_guessing", "auth_missing", "cookie_attributes", "cleartext_credential", "jwt_weak_secret", "otp_guessing", "session_after_logout"})
}
