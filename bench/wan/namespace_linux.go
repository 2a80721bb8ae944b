package wan

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

// namespace is a network namespace. It has no name: it belongs to one thread of this
// process and to the programs started from that thread. When these end, for whatever
// reason, the kernel removes it together with its device.
type namespace struct {
	work chan func()
	held chan struct{} // closed once a thread is found
	done chan struct{} // closed when that thread has ended
}

func newNamespace() (*namespace, error) {
	n := &namespace{work: make(chan func()), held: make(chan struct{}), done: make(chan struct{})}
	started := make(chan error)
	go n.run(started)
	if err := <-started; err != nil {
		n.close()
		return nil, fmt.Errorf("a network namespace: %w", err)
	}
	return n, nil
}

// run is the thread of the namespace.
func (n *namespace) run(started chan<- error) {
	runtime.LockOSThread()
	if syscall.Gettid() == os.Getpid() {
		// The main thread lasts as long as the process, so it must not be used. While it is
		// held here, another goroutine runs on another thread.
		go n.run(started)
		<-n.held
		runtime.UnlockOSThread()
		return
	}
	close(n.held)
	defer close(n.done) // the thread is not unlocked: it ends with this goroutine
	started <- syscall.Unshare(syscall.CLONE_NEWNET)
	for f := range n.work {
		f()
	}
}

func (n *namespace) close() {
	close(n.work)
	<-n.done
}

// do runs f on the thread. Sockets that f opens and programs that it starts stay in the
// namespace.
func (n *namespace) do(f func() error) error {
	result := make(chan error, 1)
	n.work <- func() { result <- f() }
	return <-result
}

// device creates a TUN device with an address, and brings it and the loopback up. Each Read
// of the file returns one packet that was sent; each Write delivers one.
func (n *namespace) device(name, address string) (file *os.File, err error) {
	err = n.do(func() error {
		if file, err = openTUN(name); err != nil {
			return err
		}
		for _, args := range []string{
			"address add " + address + " dev " + name,
			// The queue holds a burst of a whole window, so that only the emulator loses
			// packets.
			"link set " + name + " mtu 1500 txqueuelen 10000 up",
			"link set lo up",
		} {
			if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
				return fmt.Errorf("ip %s: %w: %s", args, err, out)
			}
		}
		return nil
	})
	if err != nil && file != nil {
		file.Close()
	}
	return file, err
}

// openTUN opens a device in the namespace of the calling thread.
func openTUN(name string) (*os.File, error) {
	// Non-blocking, so that Close ends a Read in progress.
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	var request struct { // struct ifreq
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:], name)
	request.flags = syscall.IFF_TUN | syscall.IFF_NO_PI
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TUNSETIFF, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		syscall.Close(fd)
		return nil, fmt.Errorf("device %s: %w", name, errno)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Possible says what a link lacks here.
func Possible() error {
	if os.Geteuid() != 0 {
		return errors.New("-link makes network namespaces: it needs root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return fmt.Errorf("-link needs the command ip, of iproute2: %w", err)
	}
	return nil
}
