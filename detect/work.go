package detect

type job struct {
	pass Pass
	done chan func(*Pass)
	due  uint64 // the mark at which a replay waits for it
}

func (e *Engine) later(p *Pass, work func() func(*Pass), marks uint64) {
	if len(e.jobs) >= maxJobs {
		if e.options.Live {
			e.stats.Deferred++
			return
		}
		e.settle(allJobs)
	}
	p.ins.held = true
	j := job{pass: *p, done: make(chan func(*Pass), 1), due: e.marks + marks}
	e.jobs = append(e.jobs, j)
	slots := e.slots
	go func() {
		slots <- struct{}{}
		defer func() { <-slots }()
		j.done <- work()
	}()
}

// settle runs what came of work off the packet path, in the order in which it
// was asked for: live what is done, in a replay what is due by a mark, so that
// it comes at the same place each time.
func (e *Engine) settle(mark uint64) {
	for len(e.jobs) > 0 {
		j := e.jobs[0]
		var then func(*Pass)
		switch {
		case e.options.Live && mark != allJobs:
			select {
			case then = <-j.done:
			default:
				return
			}
		case j.due > mark:
			return
		default:
			then = <-j.done
		}
		e.jobs = e.jobs[1:]
		if then != nil {
			then(&j.pass)
		}
	}
	e.jobs = nil
}
