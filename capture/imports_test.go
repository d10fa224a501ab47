package capture_test

import (
	"go/token"
	"slices"
	"strings"
	"testing"
)

// layers are the stages of the pipeline. A package imports its own and those
// behind it in this list: against the data, never with it.
var layers = []string{"cmd", "store", "detect", "reassembly", "capture"}

// refused says why a package must not import another, "" when it may. Folders
// are those of packages of the module, other packages have their import path.
func refused(folder, imported string) string {
	layer := func(folder string) int {
		return slices.IndexFunc(layers, func(l string) bool { return within(folder, l) })
	}
	inModule, isOurs := strings.CutPrefix(imported, module+"/")
	switch {
	case isOurs && layer(folder) < 0:
		return "it is in no layer"
	case isOurs && layer(inModule) < layer(folder):
		return "imports run cmd → store → detect → reassembly → capture"
	case inModule == "detect" && within(folder, "detect/credential", "detect/endpoint", "detect/expression", "detect/window"):
		return "detect builds on it, not the other way round"
	case (imported == "C" || strings.HasSuffix(imported, "gopacket/pcap") || strings.HasSuffix(imported, "gopacket/afpacket")) &&
		!within(folder, "capture/live", "capture/afpacket"):
		return "only capture/live and capture/afpacket need cgo"
	}
	return ""
}

func TestImports(t *testing.T) {
	for _, f := range goFiles(t, token.NewFileSet(), ".") {
		if f.test {
			continue
		}
		for _, imported := range imports(t, f.syntax) {
			if why := refused(f.folder, imported); why != "" {
				t.Errorf("%s imports %s: %s", f.path, imported, why)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		folder, imported string
		refused          bool
	}{
		{"capture", module + "/reassembly", true},
		{"capture/pcapfile", module + "/cmd/authtap/internal/config", true},
		{"reassembly/http1", module + "/detect/credential", true},
		{"detect/rules", module + "/store", true},
		{"store/sqlite", module + "/cmd/authtap", true},
		{"detect/credential", module + "/detect", true},
		{"elsewhere", module + "/capture", true},
		{"capture/pcapfile", "github.com/google/gopacket/pcap", true},
		{"reassembly/decode", "C", true},
		{"cmd/authtap", module + "/store/sqlite", false},
		{"detect/rules", module + "/detect", false},
		{"detect", module + "/detect/credential", false},
		{"store", module + "/capture", false},
		{"capture/live", module + "/capture", false},
		{"capture/live", "github.com/google/gopacket/pcap", false},
		{"capture", "time", false},
	} {
		if why := refused(tt.folder, tt.imported); (why != "") != tt.refused {
			t.Errorf("%s imports %s: refused %q, want %v", tt.folder, tt.imported, why, tt.refused)
		}
	}
}
