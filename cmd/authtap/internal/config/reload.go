package config

import "github.com/spf13/pflag"

// Reloaded gives the settings that are in force after a reload, while a program
// runs with s: of next, what may change then. The names of those that differ and
// need a new start are given, too.
func (s *Settings) Reloaded(next *Settings) (now Settings, restart []string) {
	now = *s
	now.Only, now.Disable, now.Detectors, now.Overrides = next.Only, next.Disable, next.Detectors, next.Overrides
	now.Rules, now.Custom, now.Suppress, now.ShowSuppressed = next.Rules, next.Custom, next.Suppress, next.ShowSuppressed
	now.TrustedProxies, now.ClientHeaders, now.HidePrincipals = next.TrustedProxies, next.ClientHeaders, next.HidePrincipals
	now.Pins, now.SessionCookies, now.ServiceCredentials, now.BehindTLS = next.Pins, next.SessionCookies, next.ServiceCredentials, next.BehindTLS
	now.OpenAPI = next.OpenAPI
	now.JWTSecrets = next.JWTSecrets
	now.Triggers = next.Triggers
	now.FailOn, now.MaxFindings = next.FailOn, next.MaxFindings

	mine, wanted := now.texts(), next.texts()
	mine.VisitAll(func(f *pflag.Flag) {
		if f.Value.String() != wanted.Lookup(f.Name).Value.String() {
			restart = append(restart, f.Name)
		}
	})
	return now, restart
}

// texts gives the settings by name.
func (s *Settings) texts() *pflag.FlagSet {
	c, fs := *s, pflag.NewFlagSet("", pflag.ContinueOnError)
	c.Flags(fs, every)
	return fs
}
