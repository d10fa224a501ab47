//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// become gives up root's rights for good: from here on all that the program does
// it does as a user, without capabilities. What root has opened stays open.
func become(name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("--user: %w", err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("--user: %w", err)
	}
	switch {
	case uid == 0:
		return errors.New("--user: root keeps all rights; name another user")
	case os.Geteuid() == uid && os.Getuid() == uid:
		return nil
	case os.Geteuid() != 0:
		return fmt.Errorf("--user: only root can become %s", name)
	}
	if err := errors.Join(syscall.Setgroups([]int{gid}), syscall.Setgid(gid), syscall.Setuid(uid)); err != nil {
		return fmt.Errorf("--user: cannot become %s: %w", name, err)
	}
	if syscall.Setuid(0) == nil {
		return fmt.Errorf("--user: %s can become root again", name)
	}
	return os.Setenv("HOME", u.HomeDir)
}
