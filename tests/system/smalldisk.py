"""A small ext4 image, mounted by loop: a disk that a test can fill, and empty again.

Mount only in a mount namespace of one's own (tap.keep_mounts_private): whatever happens to the
process, the kernel then unmounts, and with the mount its loop device goes.
"""

import errno
import os
import shutil
import subprocess

from cluster import Problem

TOOLS = ("mkfs.ext4", "mount", "umount")
FILL_TRIES = 5
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def unavailable():
    """Why there can be none here; None when there can."""
    if os.geteuid() != 0:
        return "mounting needs root"
    for tool in TOOLS:
        if not shutil.which(tool, path=PATH):
            return f"{tool} is not installed"
    return None


def _run(*command):
    done = subprocess.run([shutil.which(command[0], path=PATH), *command[1:]], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    if done.returncode != 0:
        raise Problem(f"{command[0]}: {done.stdout.decode(errors='replace').strip()}")


class SmallDisk:
    """The file `image`, as a file system at `path`."""

    def __init__(self, image, path, size_bytes):
        self.path = path
        self.ballast = os.path.join(path, "ballast")
        with open(image, "wb") as out:
            out.truncate(size_bytes)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", image)
        os.makedirs(path, exist_ok=True)
        _run("mount", "-o", "loop", image, path)

    def free_bytes(self):
        room = os.statvfs(self.path)
        return room.f_bavail * room.f_frsize

    def fill(self, left_bytes):
        """A file takes all but about `left_bytes`. False: there is no room for one."""
        for _ in range(FILL_TRIES):
            size_bytes = self.free_bytes() - left_bytes
            if size_bytes <= 0:
                return False
            with open(self.ballast, "wb") as out:
                try:
                    os.posix_fallocate(out.fileno(), 0, size_bytes)
                    return True
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
            self.free()  # others took some of it meanwhile
        return False

    def fill_to_the_last_byte(self):
        """Not a block is left, for whoever wants one."""
        with open(self.ballast, "ab", buffering=0) as out:
            for size_bytes in (1 << 20, 4096, 1):
                try:
                    while True:
                        out.write(b"x" * size_bytes)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
            os.fsync(out.fileno())

    def free(self):
        os.unlink(self.ballast)

    def umount(self):
        if os.path.ismount(self.path):
            _run("umount", "-l", self.path)
