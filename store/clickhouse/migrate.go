package clickhouse

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/template"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
)

// The schema's steps, in the order of their numbers: templates (see form). A
// step's statements can be run again, since two sensors may take it at the same
// time, and are separated by a semicolon at the end of a line.
//
//go:embed migrations/*.sql
var migrations embed.FS

// form renders the steps for one server, or for a cluster: there every table
// is a replicated one on each shard, with _local behind its name, under a
// distributed one of its own name.
type form struct{ cluster string }

// span is what aggregates are made by.
type span struct{ Name, Type, start, minute string }

// Of gives the beginning of the span of a time, Minute the minute within it.
func (s span) Of(column string) string     { return fmt.Sprintf(s.start, column) }
func (s span) Minute(column string) string { return fmt.Sprintf(s.minute, column) }

var spans = []span{
	{"hour", "DateTime('UTC')", "toStartOfHour(%s)", "toMinute(%s)"},
	{"day", "Date", "toDate(%s)", "toHour(%[1]s) * 60 + toMinute(%[1]s)"},
}

func (f form) local(table string) string {
	if f.cluster == "" {
		return table
	}
	return table + "_local"
}

func (f form) on() string {
	if f.cluster == "" {
		return ""
	}
	return " ON CLUSTER " + literal(f.cluster)
}

// engine gives a table engine. A replicated table's path has its shard, and
// the names of database and table, which ClickHouse fills in.
func (f form) engine(name string, arguments ...string) string {
	if f.cluster != "" {
		name = "Replicated" + name
		arguments = append([]string{"'/clickhouse/tables/{shard}/{database}/{table}'", "'{replica}'"}, arguments...)
	}
	if len(arguments) == 0 {
		return name
	}
	return name + "(" + strings.Join(arguments, ", ") + ")"
}

// window gives the settings by which a table knows the blocks of the last days
// again: of all sensors together.
func (f form) window() string {
	if f.cluster != "" {
		return "replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800"
	}
	return "non_replicated_deduplication_window = 100000"
}

// distributed gives the statement for a table over all shards.
func (f form) distributed(table, key string) string {
	if f.cluster == "" {
		return ""
	}
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s AS %s ENGINE = Distributed(%s, currentDatabase(), %s, %s);\n",
		table, f.on(), f.local(table), literal(f.cluster), literal(f.local(table)), key)
}

// tables gives what a table is made of.
func (f form) tables(table string) []string {
	if f.cluster == "" {
		return []string{table}
	}
	return []string{f.local(table), table}
}

// step is one file of the schema.
type step struct {
	number     uint32
	name       string
	statements []string
}

// steps renders the schema's files, which are named NUMBER_NAME.sql.
func (f form) steps() ([]step, error) {
	files, err := migrations.ReadDir("migrations") // in the order of names
	if err != nil {
		return nil, err
	}
	var all []step
	for _, file := range files {
		digits, name, _ := strings.Cut(strings.TrimSuffix(file.Name(), ".sql"), "_")
		number, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			return nil, err
		}
		t, err := template.New(file.Name()).Funcs(template.FuncMap{
			"local": f.local, "on": f.on, "engine": f.engine, "window": f.window, "distributed": f.distributed,
			"spans": func() []span { return spans }, "tables": f.tables, "each": func(items ...string) []string { return items },
		}).ParseFS(migrations, "migrations/"+file.Name())
		if err != nil {
			return nil, err
		}
		var text strings.Builder
		if err := t.Execute(&text, nil); err != nil {
			return nil, err
		}
		s := step{number: uint32(number), name: name}
		for statement := range strings.SplitSeq(text.String(), ";\n") {
			if bare(statement) != "" {
				s.statements = append(s.statements, strings.TrimSpace(statement))
			}
		}
		all = append(all, s)
	}
	return all, nil
}

// bare gives a statement without lines of comment.
func bare(statement string) string {
	var b strings.Builder
	for line := range strings.Lines(statement) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			b.WriteString(line)
		}
	}
	return strings.TrimSpace(b.String())
}

// made is what a database was made to.
type made struct {
	number  uint32 // 0: nothing
	cluster string
	// notes are those of copies that a step has made, see form.note.
	notes []string
}

// made asks how far the database has come. It only reads, which a user without
// further rights may.
func (s *Store) made(ctx context.Context) (m made, err error) {
	err = s.conn.QueryRow(ctx, "SELECT max(number), argMax(cluster, number), groupUniqArrayIf(name, number = 0) FROM authtap_migrations").Scan(&m.number, &m.cluster, &m.notes)
	var x *driver.Exception
	switch {
	case !errors.As(err, &x):
	case x.Code == unknownTable:
		return made{}, nil
	case x.Code == unknownIdentifier: // that of the first version
		err = s.conn.QueryRow(ctx, "SELECT max(number) FROM authtap_migrations").Scan(&m.number)
	}
	return m, err
}

// copies reports whether a statement copies rows that are there: it takes as
// long as there are many of them.
func copies(statement string) bool {
	text := bare(statement)
	return strings.HasPrefix(text, "INSERT INTO ") && !strings.HasPrefix(text, "INSERT INTO authtap_migrations ")
}

// note gives the statement that says that a step has made so many copies, in
// the table of steps under the number 0: whoever takes it again goes on behind
// them.
func (f form) note(number uint32, copied int) (name, statement string) {
	name = fmt.Sprintf("%d: %d copied", number, copied)
	return name, fmt.Sprintf("INSERT INTO authtap_migrations (number, name, cluster) VALUES (0, %s, %s)", literal(name), literal(f.cluster))
}

// left gives the statements of a step without the copies that were made, and
// with notes of those to be made.
func (f form) left(s *step, notes []string) (plan []string) {
	made, copied := 0, 0
	for i := range s.statements {
		if name, _ := f.note(s.number, i); slices.Contains(notes, name) {
			made = i
		}
	}
	for _, statement := range s.statements {
		if !copies(statement) {
			plan = append(plan, statement)
			continue
		}
		if copied++; copied > made {
			_, note := f.note(s.number, copied)
			plan = append(plan, statement, note)
		}
	}
	return plan
}

// Plan gives the statements that Migrate would run: the steps of the schema
// that the database has not taken, and what Options.Retain asks for.
func (s *Store) Plan(ctx context.Context) ([]string, error) {
	plan, _, _, err := s.plan(ctx)
	if err != nil {
		return nil, s.explain(err)
	}
	return plan, nil
}

func (s *Store) plan(ctx context.Context) (plan []string, f form, m made, err error) {
	m, err = s.made(ctx)
	if err != nil {
		return nil, f, m, err
	}
	f.cluster = s.options.Cluster
	if m.number > 0 {
		if f.cluster != "" && f.cluster != m.cluster {
			return nil, f, m, fmt.Errorf("%w: they were made for %s, not for the cluster %q", errSchema, server(m.cluster), f.cluster)
		}
		f.cluster = m.cluster
	}
	all, err := f.steps()
	if err != nil {
		return nil, f, m, err
	}
	if latest := all[len(all)-1].number; m.number > latest {
		return nil, f, m, later(m.number, latest)
	}
	if m.number < all[len(all)-1].number {
		engine := "ReplacingMergeTree"
		if f.cluster != "" {
			// One table, the same on all shards.
			engine = "ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}')"
		}
		plan = append(plan,
			fmt.Sprintf("CREATE TABLE IF NOT EXISTS authtap_migrations%s (number UInt32, name String, cluster String)\nENGINE = %s ORDER BY number", f.on(), engine),
			fmt.Sprintf("ALTER TABLE authtap_migrations%s ADD COLUMN IF NOT EXISTS cluster String", f.on()))
	}
	for _, step := range all {
		if step.number <= m.number {
			continue
		}
		plan = append(plan, f.left(&step, m.notes)...)
		plan = append(plan, fmt.Sprintf("INSERT INTO authtap_migrations (number, name, cluster) VALUES (%d, %s, %s)", step.number, literal(step.name), literal(f.cluster)))
	}
	retain, err := s.retention(ctx, f)
	return append(plan, retain...), f, m, err
}

func server(cluster string) string {
	if cluster == "" {
		return "a single server"
	}
	return fmt.Sprintf("the cluster %q", cluster)
}

func later(number, latest uint32) error {
	return fmt.Errorf("%w: they were made by a later version of authtap (schema %d, this one knows %d)", errSchema, number, latest)
}

// Migrate makes the tables and brings them up to date. It may be run at any
// time, and by several sensors at once: what is copied is copied by one of them,
// and the others wait. It takes as long as that does; where ctx ends it, the
// next goes on behind the last copy.
func (s *Store) Migrate(ctx context.Context) error {
	if err := s.migrate(ctx); err != nil {
		return s.explain(err)
	}
	return nil
}

func (s *Store) migrate(ctx context.Context) error {
	for waiting := false; ; waiting = true {
		err := s.takeSteps(ctx)
		var x *driver.Exception
		if !errors.As(err, &x) || x.Code != queryRuns {
			return err
		}
		if !waiting {
			s.tell("clickhouse %s: another authtap is bringing the tables up to date, which is waited for", s.address)
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return fmt.Errorf("another authtap is bringing the tables up to date: %w", ctx.Err())
		}
	}
}

const (
	// lookAgain is the pause between looks at what another does.
	lookAgain = time.Second
	// copyWithin bounds a statement of a migration: no time that one takes, but
	// the driver wants a bound, and its own is that of answers.
	copyWithin = 7 * 24 * time.Hour
	// tellEvery is how often is told how far a copy is.
	tellEvery = time.Minute
)

func (s *Store) takeSteps(ctx context.Context) error {
	plan, f, m, err := s.plan(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, copyWithin)
	defer cancel()
	for i := 0; i < len(plan); i++ {
		on, statement := ctx, plan[i]
		if copies(statement) {
			left, _, _, err := s.plan(ctx)
			if err != nil {
				return err
			}
			if !slices.Contains(left, statement) {
				i++ // another has copied it meanwhile, and noted that
				continue
			}
			on = s.copying(ctx, m, statement, plan[i+1])
		}
		if err := s.conn.Exec(on, statement); err != nil {
			first, _, _ := strings.Cut(bare(statement), "\n")
			return fmt.Errorf("%s: %w", first, err)
		}
	}
	s.ready(f)
	return nil
}

// copying gives the context for a statement that copies rows: its name keeps
// the server from running it twice at a time, and how far it is gets told.
func (s *Store) copying(ctx context.Context, m made, statement, note string) context.Context {
	into, _, _ := strings.Cut(strings.TrimPrefix(bare(statement), "INSERT INTO "), " ")
	var mu sync.Mutex
	var rows, total uint64
	told := time.Now()
	if m.number > 0 { // else there is nothing to copy
		s.tell("clickhouse %s: bringing the tables up to date: rows are copied into %s, which takes long where there are many", s.address, into)
	}
	_, database, _ := strings.Cut(s.address, "/")
	return driver.Context(ctx,
		driver.WithQueryID(fmt.Sprintf("authtap-%s-%x", database, sha256.Sum256([]byte(note)))),
		driver.WithProgress(func(p *driver.Progress) {
			mu.Lock()
			defer mu.Unlock()
			rows, total = rows+p.Rows, total+p.TotalRows
			if time.Since(told) >= tellEvery {
				told = time.Now()
				s.tell("clickhouse %s: %d of %d rows copied into %s", s.address, rows, total, into)
			}
		}))
}

func (s *Store) tell(format string, args ...any) {
	if s.options.Told != nil {
		s.options.Told(fmt.Sprintf(format, args...))
	}
}

// check sees to it that the tables are as this version needs them.
func (s *Store) check(ctx context.Context) error {
	m, err := s.made(ctx)
	if err != nil {
		return err
	}
	f := form{m.cluster}
	all, err := f.steps()
	if err != nil {
		return err
	}
	latest := all[len(all)-1].number
	switch {
	case m.number > latest:
		return later(m.number, latest)
	case m.number < latest:
		return fmt.Errorf("%w: they are not there, or not up to date: run `authtap migrate`", errSchema)
	}
	s.ready(f)
	return nil
}

// retained are the names that Options.Retain takes, and the tables and columns
// that they stand for; a row of span days is kept until the last of them is
// over.
var retained = map[string][]struct {
	table, column string
	span          int
}{
	"findings":    {{"findings", "last_seen", 0}},
	"occurrences": {{"occurrences", "minute", 0}},
	"auth_events": {{"auth_events", "time", 0}, {"auth_events_by_client", "time", 0}, {"auth_events_by_principal", "time", 0}},
	"sensors":     {{"sensors", "time", 0}},
	"ledgers":     {{"endpoints", "day", 0}, {"credentials", "day", 0}, {"issuers", "day", 0}},
	"by_hour":     {{"auth_events_by_hour", "hour", 0}, {"auth_outcomes_by_hour", "hour", 0}, {"occurrences_by_hour", "hour", 0}},
	"by_day":      {{"auth_events_by_day", "day", 0}, {"auth_events_by_month", "month", 30}, {"occurrences_by_day", "day", 0}},
}

// Retained gives the names that Options.Retain takes.
func Retained() []string { return slices.Sorted(maps.Keys(retained)) }

// retention gives the statements for what is kept for how long, where that is
// not so already.
func (s *Store) retention(ctx context.Context, f form) ([]string, error) {
	if len(s.options.Retain) == 0 {
		return nil, nil
	}
	rows, err := s.conn.Query(ctx, "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	engines := map[string]string{}
	for rows.Next() {
		var name, engine string
		if err := rows.Scan(&name, &engine); err != nil {
			return nil, err
		}
		engines[name] = engine
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(s.options.Retain)) {
		days := s.options.Retain[name]
		for _, t := range retained[name] {
			table := f.local(t.table)
			ttl := fmt.Sprintf("TTL toDateTime(%s) + toIntervalDay(%d)", t.column, days+t.span)
			switch has := engines[table]; {
			case days > 0 && !strings.Contains(has, ttl):
				all = append(all, fmt.Sprintf("ALTER TABLE %s%s MODIFY %s", table, f.on(), ttl))
			case days == 0 && strings.Contains(has, " TTL "):
				all = append(all, fmt.Sprintf("ALTER TABLE %s%s REMOVE TTL", table, f.on()))
			}
		}
	}
	return all, nil
}

// literal quotes a string for SQL.
func literal(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
