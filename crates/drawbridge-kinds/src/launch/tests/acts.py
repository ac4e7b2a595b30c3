"""Tries what a confined program may not, and says how each attempt ends."""

import ctypes, errno, os, resource, signal, socket, subprocess, sys

folder, port, gateway = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
calls = ctypes.CDLL(None, use_errno=True)


def say(name, act):
    try:
        done = act()
        print(f"{name}: done" if done is None else f"{name}: {done}")
    except OSError as error:
        print(f"{name}: {errno.errorcode.get(error.errno, error)}")
    except Exception as error:
        print(f"{name}: {type(error).__name__}")


def call(name, *arguments):
    """A function of libc, or a call by its number here."""

    def act():
        if isinstance(name, int):
            outcome = calls.syscall(ctypes.c_long(name), *map(ctypes.c_long, arguments))
        else:
            outcome = getattr(calls, name)(*arguments)
        if outcome < 0:
            raise OSError(ctypes.get_errno(), "")

    return act


def read(path):
    def act():
        with open(path, "rb") as file:
            file.read(1)

    return act


def write(path):
    def act():
        with open(path, "w") as file:
            file.write("x")

    return act


def connect(family, address):
    def act():
        with socket.socket(family) as one:
            one.connect(address)

    return act


def datagram_pair():
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)


def stream_pair():
    one, other = socket.socketpair()
    one.send(b"x")
    other.recv(1)


def listen():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))


def raw():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close()


def families():
    able = []
    for family in range(46):
        for kind in [1, 2, 3, 5]:
            try:
                socket.socket(family, kind, 0).close()
                able.append(family)
            except OSError as error:
                if error.errno == errno.EPERM:
                    able.append(family)
    return sorted(set(able))


def start(path):
    def act():
        subprocess.run([path], stdout=subprocess.DEVNULL)

    return act


def limit_own():
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (1 << 40, 1 << 40))
    except ValueError:
        raise OSError(errno.EPERM, "")


def read_by_link():
    os.symlink(f"{folder}/secret", f"{folder}/kept/link")
    read(f"{folder}/kept/link")()


def start_kept():
    path = f"{folder}/kept/run"
    with open(path, "w") as file:
        file.write("#!/bin/sh\n")
    os.chmod(path, 0o700)
    start(path)()


def powers():
    with open("/proc/self/status") as status:
        pairs = [line.split() for line in status]
    names = ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:", "NoNewPrivs:"]
    return [f"{pair[0]}{int(pair[1], 16)}" for pair in pairs if pair[0] in names]


def fork():
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


say("read granted", read(f"{folder}/granted/acts.py"))
say("write kept", write(f"{folder}/kept/file"))
say("write null", write("/dev/null"))
say("read random", read("/dev/urandom"))
say("start true", start("/bin/true"))
say("start kept", start_kept)
say("fork", fork)
say("pair", stream_pair)
say("kill own", lambda: os.kill(os.getpid(), 0))
say("read shadow", read("/etc/shadow"))
say("list keys", lambda: os.listdir("/etc/ssl") and None)
say("list home", lambda: os.listdir("/root") and None)
say("list root", lambda: os.listdir("/") and None)
say("read secret", read(f"{folder}/secret"))
say("read beside", read(f"{folder}/granted/../secret"))
say("read by link", read_by_link)
say("link secret", lambda: os.link(f"{folder}/secret", f"{folder}/kept/hard"))
say("rename secret", lambda: os.rename(f"{folder}/secret", f"{folder}/kept/moved"))
say("truncate secret", lambda: os.truncate(f"{folder}/secret", 0))
say("remove secret", lambda: os.unlink(f"{folder}/secret"))
say("write granted", write(f"{folder}/granted/acts.py"))
say("write outside", write(f"{folder}/new"))
say("write system", write("/usr/drawbridge-escaped"))
say("start outside", start(f"{folder}/program"))
say("make device", lambda: os.mknod(f"{folder}/kept/disk", 0o60600, os.makedev(7, 0)))
say("list processes", lambda: os.listdir("/proc") and None)
say("read environment", read(f"/proc/{gateway}/environ"))
say("read arguments", read(f"/proc/{gateway}/cmdline"))
say("read first", read("/proc/1/cmdline"))
say("read memory", read(f"/proc/{gateway}/mem"))
say("signal gateway", lambda: os.kill(gateway, 0))
say("limit gateway", lambda: resource.prlimit(gateway, resource.RLIMIT_NOFILE, (0, 0)))
say("limit own", limit_own)
say("read own", read("/proc/self/stat"))
say("powers", powers)
say("owner", lambda: os.chown(f"{folder}/kept/file", 1, 1))
say("account", lambda: os.setuid(1))
say("connect", connect(socket.AF_INET, ("127.0.0.1", port)))
say("listen", listen)
say("raw", raw)
say("unix", connect(socket.AF_UNIX, f"{folder}/socket"))
say("abstract", connect(socket.AF_UNIX, "\0" + folder))
say("datagram pair", datagram_pair)
say("families", families)
say("setsid", lambda: os.setsid() and None)
say("setpgid", lambda: os.setpgid(0, 0))
say("trace", call("ptrace", 16, gateway, 0, 0))
say("trace me", call("ptrace", 0, 0, 0, 0))
say("unshare", call("unshare", 0x10000000))
say("mount", call("mount", b"none", folder.encode(), b"tmpfs", 0, None))
say("parent death", call("prctl", 1, 0, 0, 0, 0))
if os.uname().machine == "x86_64":
    say("namespace", call(56, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0))
    say("clone3", call(435, 0, 0))
    say("io_uring", call(425, 1, 0))
    say("bpf", call(321, 0, 0, 0))
    say("keys", call(250, 0, -3, 0))
    say("read memory of another", call(310, gateway, 0, 0, 0, 0, 0))
    say("short setsid", call(112 | 0x40000000))
