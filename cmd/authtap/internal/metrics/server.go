package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// answerWithin bounds how long an answer waits for statistics.
const answerWithin = 2 * time.Second

// Options say what a server tells.
type Options struct {
	// Version is the program's.
	Version string
	// Statistics gives what Of takes, and whether it is as of now; otherwise it
	// is as of some time before, or nil. It does not wait for longer than ctx.
	Statistics func(ctx context.Context) (statistics any, now bool)
	// Ready says why the program is not ready to work; nil: it is, if Statistics
	// answers.
	Ready func() error
}

// Server answers /metrics, /healthz and /readyz.
type Server struct {
	http http.Server
	at   net.Addr
	done chan struct{}
}

// Listen starts a server.
func Listen(address string, o Options) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for metrics: %w", err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collector{&o},
	)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { say(w, o.ready(r.Context())) })
	s := &Server{at: l.Addr(), done: make(chan struct{})}
	s.http = http.Server{
		Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 15 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	go func() {
		defer close(s.done)
		s.http.Serve(l) // ends with Close
	}()
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.at }

// Close ends the server and what it is answering.
func (s *Server) Close() {
	s.http.Close()
	<-s.done
}

func say(w http.ResponseWriter, why error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if why != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, why)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (o *Options) ready(ctx context.Context) error {
	if err := o.Ready(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if _, now := o.Statistics(ctx); !now {
		return errors.New("packets are not being processed: what comes behind them waits")
	}
	return nil
}

// collector gives the counts to Prometheus.
type collector struct{ *Options }

// Describe implements prometheus.Collector: which counts there are follows from
// the statistics.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	statistics, now := c.Statistics(ctx)
	for _, n := range Of(statistics) {
		to <- n.metric()
	}
	current := 0.0
	if now {
		current = 1
	}
	to <- prometheus.MustNewConstMetric(prometheus.NewDesc("authtap_statistics_current", "1 when the other numbers are as of now, 0 when processing stands still and they are older.", nil, nil), prometheus.GaugeValue, current)
	to <- prometheus.MustNewConstMetric(prometheus.NewDesc("authtap_build_info", "The program's version.", []string{"version", "goversion"}, nil), prometheus.GaugeValue, 1, c.Version, runtime.Version())
}

func (c *Count) metric() prometheus.Metric {
	name, kind := "authtap_"+strings.ReplaceAll(c.Name, ".", "_"), prometheus.GaugeValue
	if !c.Level {
		name, kind = name+"_total", prometheus.CounterValue
	}
	var labels, values []string
	if c.Label != "" {
		labels, values = []string{c.Label}, []string{c.Value}
	}
	return prometheus.MustNewConstMetric(prometheus.NewDesc(name, "The count "+c.Name+" of the statistics.", labels, nil), kind, float64(c.Number), values...)
}
