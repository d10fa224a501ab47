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
	// looked for first; %s is the column, in a form that is never NULL.
	Many map[string]string
	// Behind is put at the end of the query.
	Behind string
}

// Query gives the question in SQL. conditions are those of the filter, in the
// store's own form, and args what stands for their marks.
func (s *Source) Query(q *Question, conditions []string, args []any) (string, []any) {
	shape := shapes[q.Of]
	by, measures := q.By, shape.Grouped
	if q.By == nil {
		by, measures = shape.By, shape.Own
	}
	if measures == nil {
		measures = shape.Own
	}
	var groups, keys, order []string
	many := false
	for _, name := range by {
		groups = append(groups, s.Columns[name]+" AS g_"+name)
		key := "%s"
		if form := s.Many[name]; form != "" {
			key, many = form, true
		}
		keys = append(keys, key)
		order = append(order, cmp.Or(s.Sort[name], "g_"+name))
	}
	if shape.Order != "" {
		order = append([]string{"m_" + shape.Order + " DESC"}, order...)
	}
	if s.Where != "" {
		conditions = append([]string{s.Where}, conditions...)
	}
	query := func(list, order []string, ties string) string {
		text := "SELECT " + strings.Join(list, ", ") + " FROM " + s.From
		if len(conditions) > 0 {
			text += " WHERE " + strings.Join(conditions, " AND ")
		}
		for i, name := range by {
			text += [2]string{" GROUP BY ", ", "}[min(i, 1)] + "g_" + name
		}
		for i, what := range order {
			text += [2]string{" ORDER BY ", ", "}[min(i, 1)] + what
		}
		if q.Limit > 0 {
			text += fmt.Sprintf(" LIMIT %d%s", q.Limit, ties)
		}
		return text
	}
	if many && q.Limit > 0 && shape.Order != "" {
		// Those that are equal at the limit come along: to sort all of them by
		// what they are called takes longer.
		first := query(append(slices.Clone(groups), s.Measures[shape.Order]+" AS m_"+shape.Order), order[:1], " WITH TIES")
		var of, given []string
		for i, name := range by {
			of = append(of, fmt.Sprintf(keys[i], s.Columns[name]))
			given = append(given, fmt.Sprintf(keys[i], "g_"+name))
		}
		conditions = append(slices.Clone(conditions), "("+strings.Join(of, ", ")+") IN (SELECT "+strings.Join(given, ", ")+" FROM ("+first+"))")
		args = append(slices.Clone(args), args...)
	}
	list := groups
	for _, name := range measures {
		if !slices.Contains(by, name) && !slices.Contains(by, strings.TrimSuffix(name, "s")) {
			list = append(list, s.Measures[name]+" AS m_"+name)
		}
	}
	return query(list, order, "") + s.Behind, args
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
