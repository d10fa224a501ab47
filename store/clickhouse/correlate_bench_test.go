package clickhouse

import (
	"context"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/store/clickhouse/clickhousetest"
)

// BenchmarkCorrelate looks through two days of login attempts, 1.1 million a
// day as in the questions' benchmark, that three sensors made on 50 hosts: 12 of
// a hundred fail. It prints what each look takes.
func BenchmarkCorrelate(b *testing.B) {
	server := clickhousetest.Start(b)
	s, err := Open(context.Background(), server.DSN(), Options{Migrate: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	server.Exec(`INSERT INTO auth_events (time, sensor, capture_file, series, number, capture_packet, host, method, path, client_ip, principal, principal_id, credential_id, kind, outcome, status)
SELECT fromUnixTimestamp64Micro(toInt64(1772359200000000 + number * 78545)), ['edge1', 'edge2', 'edge3'][number % 3 + 1], 'eth0', toDateTime64('2026-03-01 10:00:00', 6, 'UTC'), number, number,
    concat('host', toString(cityHash64(number, 1) % 50), '.test'), 'POST', '/login', toIPv6(IPv4NumToString(toUInt32(cityHash64(number, 2) % 200000))),
    concat('user', toString(cityHash64(number, 3) % 100000)), reinterpretAsUUID(sipHash128(cityHash64(number, 3) % 100000)), reinterpretAsUUID(sipHash128(cityHash64(number, 4) % 300000)),
    'json', if(cityHash64(number, 5) % 100 < 12, 'failure', 'success'), 200
FROM numbers(2200000)`)
	o := CorrelateOptions{Since: capture.TimeOf(time.Unix(1772359200, 0).Add(24 * time.Hour)), Until: capture.TimeOf(time.Unix(1772359200, 0).Add(48 * time.Hour))}
	for b.Loop() {
		for _, looks := range [][]look{clientLooks, accountLooks, hostLooks, sharedLooks} {
			for i := range looks {
				d, _ := rules.Find(looks[i].detector)
				begun := time.Now()
				found, err := s.attacks(context.Background(), &looks[i], &d, o)
				if err != nil {
					b.Fatal(err)
				}
				name := d.Name + "_" + [...]string{"client", "account", "password", "host", "secret"}[looks[i].by] + "_" + looks[i].span.String() + looks[i].spanned
				b.Logf("%s: %v, %d attacks", name, time.Since(begun), len(found))
			}
		}
	}
}
