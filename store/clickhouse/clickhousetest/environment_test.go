package clickhousetest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A server named in the environment is used in place of one of our own, and
// left as it was.
func TestExistingServer(t *testing.T) {
	existing := Start(t)
	before := existing.Query("SHOW DATABASES")
	var killed bool
	t.Run("use", func(t *testing.T) {
		t.Setenv(ServerVariable, existing.DSN())
		s := Start(t)
		if s.process != nil {
			t.Fatal("a server was started")
		}
		if s.database == existing.database {
			t.Error("the database is not the test's own")
		}
		s.Exec(numbered)
		if err := insert(connect(t, s, nil), "a", 0, 10); err != nil {
			t.Fatal(err)
		}
		if got := count(s); got != "10" {
			t.Errorf("%s rows, want 10", got)
		}
		if n := s.CutConnections(); n != 1 {
			t.Errorf("%d connections cut, want 1", n)
		}
		t.Run("kill", func(t *testing.T) {
			s := *s
			s.t = t
			s.Kill() // skips
			killed = true
		})
	})
	if killed {
		t.Error("a server that is not ours was killed")
	}
	after := existing.Query("SHOW DATABASES")
	if len(before) == 0 || len(before) != len(after) {
		t.Errorf("the databases were %v and are %v", before, after)
	}
}

// Without the engine tests are skipped with the reason; in CI they fail.
func TestWithoutEngine(t *testing.T) {
	for _, c := range []struct {
		ci     string
		passes bool
		mark   string
	}{
		{"", true, "--- SKIP: TestNotTheProtocol"},
		{"true", false, "--- FAIL: TestNotTheProtocol"},
	} {
		test := exec.Command(os.Args[0], "-test.run=^TestNotTheProtocol$", "-test.v")
		test.Env = []string{"PATH=", "HOME=" + t.TempDir(), "AUTHTAP_TEST_CACHE=" + t.TempDir(), "CI=" + c.ci}
		out, err := test.CombinedOutput()
		if (err == nil) != c.passes {
			t.Errorf("CI=%s: %v\n%s", c.ci, err, out)
		}
		for _, want := range []string{c.mark, "no ClickHouse to test with", "npm, which fetches", "is not installed"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("CI=%s: the output has no %q:\n%s", c.ci, want, out)
			}
		}
	}
}

// The server ends when the process that started it does, however that ends.
func TestServerEndsWithItsTest(t *testing.T) {
	s := Start(t)
	if s.process == nil {
		t.Skip("the server of " + ServerVariable + " is not ours")
	}
	if err := s.process.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.process.command.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}
