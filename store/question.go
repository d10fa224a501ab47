package store

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/authtap/authtap/capture"
)

// Question asks for rows that are added up: of all sensors, runs and days.
type Question struct {
	// Of is what it is about, By what it is grouped by; nil is the subject's
	// own, such as host, method and path.
	Of Subject
	By []string
	// Filter chooses the rows that are added up. Since and Until bound when
	// they were seen, of login attempts to whole hours; endpoints, credentials
	// and issuers are counted by days, and a day counts that has anything
	// within.
	Filter
}

// Subject is what can be asked about.
type Subject string

// The subjects. OfLogins are attempts, OfLoginEndpoints where they are made and
// what their answers are known by.
const (
	OfFindings       Subject = "findings"
	OfLogins         Subject = "logins"
	OfLoginEndpoints Subject = "login endpoints"
	OfEndpoints      Subject = "endpoints"
	OfCredentials    Subject = "credentials"
	OfIssuers        Subject = "issuers"
)

// Answer is a table. Values are string, int64, float64, bool, []string or nil;
// times are strings in RFC 3339.
type Answer struct {
	Columns []string
	Rows    [][]any
}

// Shape says what can be asked about a subject.
type Shape struct {
	// By is what it is grouped by if nothing else is asked for, Dimensions what
	// it may be grouped by.
	By, Dimensions []string
	// Own are the columns behind those grouped by where By is the subject's own,
	// Grouped where it is not. The rows come by Order, the largest first, or
	// where it is empty by what they are grouped by.
	Own, Grouped []string
	Order        string
	// Filters are those that apply, besides times and limit.
	Filters []string
}

var shapes = map[Subject]Shape{
	OfFindings: {
		By:         []string{"detector"},
		Dimensions: []string{"detector", "severity", "verdict", "host", "method", "path", "client", "principal", "credential", "sensor", "day", "hour"},
		Own:        []string{"findings", "events", "highest", "let_in", "clients", "principals", "first_seen", "last_seen"},
		Order:      "findings",
		Filters:    []string{"severity", "detector", "verdict", "host", "client", "principal", "sensor"},
	},
	OfLogins: {
		By:         []string{"host", "method", "path"},
		Dimensions: []string{"host", "method", "path", "kind", "outcome", "client", "principal", "sensor", "day", "hour"},
		Own:        []string{"attempts", "success", "failure", "pending", "unclear", "clients", "principals", "first_seen", "last_seen"},
		Order:      "attempts",
		Filters:    []string{"host", "client", "principal", "sensor"},
	},
	OfLoginEndpoints: {
		By:         []string{"host", "method", "path"},
		Dimensions: []string{"host", "method", "path", "operation", "sensor", "day"},
		Own:        []string{"successes", "failures"},
		Filters:    []string{"host", "sensor"},
	},
	OfEndpoints: {
		By:         []string{"host", "method", "path", "operation"},
		Dimensions: []string{"host", "method", "path", "operation", "sensor", "day"},
		Own: []string{"coverage", "kinds", "success", "refused", "unclear", "with_credential", "without_credential", "logins",
			"discriminates", "first_seen", "last_seen"},
		Grouped: []string{"endpoints", "kinds", "success", "refused", "unclear", "with_credential", "without_credential", "logins",
			"first_seen", "last_seen"},
		Filters: []string{"host", "sensor"},
	},
	OfCredentials: {
		By:         []string{"kind", "credential"},
		Dimensions: []string{"kind", "credential", "principal", "place", "sensor", "day"},
		Own:        []string{"mask", "place", "principal", "nature", "age", "clients", "hosts", "success", "refused", "unclear", "expires", "first_seen", "last_seen"},
		Grouped:    []string{"credentials", "clients", "hosts", "success", "refused", "unclear", "first_seen", "last_seen"},
		Order:      "last_seen",
		Filters:    []string{"host", "client", "principal", "sensor"},
	},
	OfIssuers: {
		By:         []string{"issuer", "host", "kid", "algorithm", "thumbprint"},
		Dimensions: []string{"issuer", "host", "kid", "algorithm", "thumbprint", "key_type", "sensor", "day"},
		Own:        []string{"key_type", "bits", "published", "issued", "accepted", "first_seen", "last_seen"},
		Grouped:    []string{"keys", "published", "issued", "accepted", "first_seen", "last_seen"},
		Filters:    []string{"host", "sensor"},
	},
}

// ShapeOf gives what can be asked about a subject.
func ShapeOf(s Subject) Shape { return shapes[s] }

// Check says what is wrong with a question, in the words of the command line.
func (q *Question) Check() error {
	shape, ok := shapes[q.Of]
	if !ok {
		return fmt.Errorf("nothing is known of %q", q.Of)
	}
	for i, by := range q.By {
		if !slices.Contains(shape.Dimensions, by) {
			return fmt.Errorf("%s are not grouped by %q: it is one of %s", q.Of, by, strings.Join(shape.Dimensions, ", "))
		}
		if slices.Contains(q.By[:i], by) {
			return fmt.Errorf("%q is there twice", by)
		}
	}
	for name, set := range map[string]bool{
		"severity": q.Severity != 0, "detector": q.Detector != "", "verdict": q.Verdict != 0, "host": q.Host != "",
		"client": q.Client.IsValid(), "principal": q.Principal != "", "sensor": q.Sensor != "",
	} {
		if set && !slices.Contains(shape.Filters, name) {
			return fmt.Errorf("%s have no %s", q.Of, name)
		}
	}
	return nil
}

// Source is what a store answers the questions about a subject from. It is for
// stores.
type Source struct {
	// From is a table or a view, Where a condition that always holds.
	From, Where string
	// Columns are expressions for what is grouped by, Measures for what is added
	// up.
	Columns, Measures map[string]string
	// Sort replaces what rows are sorted by where a column's own order is not
	// that of its text.
	Sort map[string]string
	// Many says of what it may be grouped by that there is so much of it that
	// everything is worked out only for what the limit lets through, which is
	// looked for first; it has the column in a form that is never NULL. Loose is
	// From, where rows may be there more than once, and Bucket a column of few
	// values that follows from what is Many: see Likely.
	Many          map[string]string
	Loose, Bucket string
	// Behind is put at the end of the query.
	Behind string
}

// grouping is what a question is grouped by, in a source's SQL.
type grouping struct {
	by, measures []string
	// groups are columns with their names, order what the rows come by, keys
	// the columns in the form that Many has.
	groups, order, keys []string
	many                bool
}

func (s *Source) grouping(q *Question) (g grouping) {
	shape := shapes[q.Of]
	g.by, g.measures = q.By, shape.Grouped
	if q.By == nil {
		g.by, g.measures = shape.By, shape.Own
	}
	if g.measures == nil {
		g.measures = shape.Own
	}
	for _, name := range g.by {
		g.groups = append(g.groups, s.Columns[name]+" AS g_"+name)
		key := s.Columns[name]
		if form := s.Many[name]; form != "" {
			key, g.many = form, true
		}
		g.keys = append(g.keys, key)
		g.order = append(g.order, cmp.Or(s.Sort[name], "g_"+name))
	}
	if shape.Order != "" {
		g.order = append([]string{"m_" + shape.Order + " DESC"}, g.order...)
	}
	g.many = g.many && q.Limit > 0 && shape.Order != ""
	return g
}

// list gives the columns of an answer.
func (s *Source) list(g *grouping) string {
	list := slices.Clone(g.groups)
	for _, name := range g.measures {
		if !slices.Contains(g.by, name) && !slices.Contains(g.by, strings.TrimSuffix(name, "s")) {
			list = append(list, s.Measures[name]+" AS m_"+name)
		}
	}
	return strings.Join(list, ", ")
}

// ordered is the end of a query for the first rows.
func ordered(order []string, limit int, ties string) (text string) {
	if len(order) > 0 {
		text = " ORDER BY " + strings.Join(order, ", ")
	}
	if limit > 0 {
		text += fmt.Sprintf(" LIMIT %d%s", limit, ties)
	}
	return text
}

// where is a query's condition.
func (s *Source) where(conditions ...string) string {
	if s.Where != "" {
		conditions = append([]string{s.Where}, conditions...)
	}
	if len(conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(conditions, " AND ")
}

// grouped gives what rows are grouped by.
func (g *grouping) grouped() (text string) {
	for i, name := range g.by {
		text += [2]string{" GROUP BY ", ", "}[min(i, 1)] + "g_" + name
	}
	return text
}

// Query gives the question in SQL. conditions are those of the filter, in the
// store's own form, and args what stands for their marks.
func (s *Source) Query(q *Question, conditions []string, args []any) (string, []any) {
	g := s.grouping(q)
	if g.many {
		// Those that are equal at the limit come along: to sort all of them by
		// what they are called takes longer.
		keys := strings.Join(g.keys, ", ")
		first := "SELECT " + keys + " FROM " + s.From + s.where(conditions...) + " GROUP BY " + keys +
			ordered([]string{s.Measures[shapes[q.Of].Order] + " DESC"}, q.Limit, " WITH TIES")
		conditions = append(slices.Clone(conditions), "("+keys+") IN ("+first+")")
		args = append(slices.Clone(args), args...)
	}
	return "SELECT " + s.list(&g) + " FROM " + s.From + s.where(conditions...) + g.grouped() + ordered(g.order, q.Limit, "") + s.Behind, args
}

// Likely gives in SQL what the answer is likely to be of a question that Source
// has Many things for. What may come within the limit is looked for in Loose,
// where what is added up is never less than it is: it is the first four times the
// limit, or all of as many of the fullest buckets, and more while they have a
// twentieth of all rows. Whether it is the answer says its first column: see
// Sure. It takes a WITH of ClickHouse's kind.
func (s *Source) Likely(q *Question, conditions []string, args []any) (text string, all []any, ok bool) {
	g := s.grouping(q)
	if !g.many || s.Loose == "" {
		return "", nil, false
	}
	order, keys, most := shapes[q.Of].Order, strings.Join(g.keys, ", "), 4*q.Limit
	limit, n := most, fmt.Sprint(most)
	if s.Bucket != "" {
		keys, limit, n = s.Bucket, 0, fmt.Sprintf("greatest(%d, arrayCount(c -> c <= arraySum(ms) / 20, arrayCumSum(ms)))", most)
	}
	first := "SELECT (" + keys + ",) AS k, " + s.Measures[order] + " AS m FROM " + s.Loose + s.where(conditions...) +
		" GROUP BY " + keys + ordered([]string{"m DESC"}, limit, "")
	// The keys are worked out once, and then known when the table is opened.
	with := "WITH (SELECT (arraySlice(ks, 1, " + n + " AS n), length(ks) < n, ms[n]) FROM (SELECT groupArray(k) AS ks, groupArray(m) AS ms FROM (" + first + "))) AS likely "
	in := "(" + keys + ",) IN (SELECT arrayJoin(likely.1))"
	if s.Bucket != "" || len(g.keys) == 1 {
		in = keys + " IN (SELECT arrayJoin(likely.1).1)"
	}
	return with + "SELECT multiIf(likely.2, 2, m_" + order + " > likely.3, 1, 0) AS sure, " + s.list(&g) + " FROM " + s.From +
		s.where(append(slices.Clone(conditions), in)...) + g.grouped() + ordered(g.order, q.Limit, "") + s.Behind, append(slices.Clone(args), args...), true
}

// Sure takes the first column from what Likely's query gave, and reports whether
// it is the answer: whether all that could come within the limit was worked out.
func (a *Answer) Sure(limit int) (sure bool) {
	for i, row := range a.Rows {
		sure = row[0] == int64(2) || row[0] == int64(1) && len(a.Rows) == limit
		a.Rows[i] = row[1:]
	}
	return sure
}

// Plain gives a column's name in an answer.
func Plain(column string) string {
	if name, ok := strings.CutPrefix(column, "g_"); ok {
		return name
	}
	return strings.TrimPrefix(column, "m_")
}

// Hours widens the range of a question to whole hours.
func (f *Filter) Hours() {
	const hour = capture.Time(3600e9)
	if f.Since != 0 {
		f.Since -= ((f.Since % hour) + hour) % hour
	}
	if f.Until != 0 {
		f.Until += (hour - f.Until%hour) % hour
	}
}

// flags are columns of 0 and 1.
var flags = []string{"discriminates", "published", "issued", "accepted"}

// Name gives a query's columns their names, and its values the types of an
// Answer's that a store's own types do not tell.
func (a *Answer) Name(columns []string) {
	for i, c := range columns {
		name := Plain(c)
		a.Columns = append(a.Columns, name)
		if !slices.Contains(flags, name) {
			continue
		}
		for _, row := range a.Rows {
			row[i] = row[i] != int64(0)
		}
	}
}
