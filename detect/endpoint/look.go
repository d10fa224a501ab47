package endpoint

import "strconv"

// Look tells in words what an answer to a login is known by: "302 with a session
// cookie".
func (a *Answer) Look() string {
	s := strconv.Itoa(int(a.Status))
	switch {
	case a.Marks&AsksSecondFactor != 0:
		return s + " asking for a second factor"
	case a.Marks&ToLogin != 0:
		return s + " to a login"
	case a.Marks&ToItself != 0:
		return s + " back to the form"
	case a.Marks&LoginForm != 0:
		return s + " with the form again"
	case a.Marks&SaysFailure != 0:
		return s + " with words of failure"
	case a.Marks&Soft != 0:
		return s + " with an error in it"
	case a.Marks&IssuesToken != 0:
		return s + " with a token"
	case a.Cookies[0] != 0:
		return s + " with a session cookie"
	}
	return s
}
