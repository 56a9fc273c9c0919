"""A Debian root of its own, made by debootstrap, that commands run in: a chroot with namespaces of its own."""

import pathlib
import shlex
import shutil
import subprocess

POLICY = "usr/sbin/policy-rc.d"
ASKED = "var/tmp/asked-of-init"  # what packages wanted to have started or stopped


def _archives() -> list:
    """The repositories of this machine's Debian release, as lines of sources.list, that of the release first."""
    codename = pathlib.Path("/etc/os-release").read_text().partition("VERSION_CODENAME=")[2].splitlines()[0]
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
                            capture_output=True, text=True, check=True).stdout  # fmt: skip
    rows = sorted({tuple(line.split()) for line in listed.splitlines()}, key=lambda row: len(row[1]))
    found = [f"deb {uri} {release} {component}" for uri, release, component in rows
             if release.startswith(codename) and component == "main"]  # fmt: skip
    assert found and found[0].split()[2] == codename, "apt knows no Debian"
    return found


class CleanRoot:
    """Made once, then used by many commands; `remove` takes it away."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        archives = _archives()
        _, uri, codename, _ = archives[0].split()
        subprocess.run(["debootstrap", "--variant=minbase", codename, directory, uri], check=True, stdout=subprocess.DEVNULL)
        (directory / "etc/apt/sources.list").write_text("\n".join(archives) + "\n")
        shutil.copy("/etc/resolv.conf", directory / "etc/resolv.conf")
        # As if systemd ran: packages then ask it for what they want, and this says no and writes it down.
        policy = directory / POLICY
        policy.write_text(f'#!/bin/sh\necho "$@" >>/{ASKED}\nexit 101\n')
        policy.chmod(0o755)
        self.run("apt-get -qq update")

    def run(self, script: str, check: bool = True, has_network: bool = True) -> subprocess.CompletedProcess:
        """Runs a script of sh. Without the network it has one of its own, with nothing in it."""
        inside = f"mount -t proc proc /proc; mount -t sysfs sysfs /sys; mkdir -p /run/systemd/system; {script}"
        outside = (
            f"mount --rbind /dev {self.directory}/dev && mount -t tmpfs tmpfs {self.directory}/run && "
            f"exec chroot {self.directory} /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "
            f"DEBIAN_FRONTEND=noninteractive sh -ec {shlex.quote(inside)}"
        )
        network = [] if has_network else ["--net"]
        done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", *network, "sh", "-c", outside],
                              capture_output=True, text=True, timeout=900)  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"{script}: exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return done

    def files(self) -> set:
        """Every path, but for what apt and dpkg keep for themselves."""
        own = ("var/cache", "var/lib/apt", "var/lib/dpkg", "var/log/apt", "var/log/dpkg.log", "var/log/alternatives.log",
               "proc", "sys", "dev", "run", "tmp", "var/tmp", "packages")  # fmt: skip
        return {
            str(path.relative_to(self.directory))
            for path in self.directory.rglob("*")
            if not str(path.relative_to(self.directory)).startswith(own)
        }

    def asked_of_init(self, service: str) -> list:
        """What packages have asked of the init system about a service since the last call."""
        file = self.directory / ASKED
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [line for line in lines if service in line]

    def remove(self) -> None:
        shutil.rmtree(self.directory)
