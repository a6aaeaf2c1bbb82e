"""`make bench`: ingest beside a bare upsert, the pages, large traces. `ARGS=ingest` (`pages`, `traces`): one part."""

import subprocess
import sys

PARTS = ("ingest", "pages", "traces")


def main(words: list[str]) -> int:
    """Run the parts one after the other, each in a process of its own; arguments go to the part that is named."""
    chosen, rest = (words[:1], words[1:]) if words and words[0] in PARTS else (list(PARTS), words)
    return max(subprocess.call([sys.executable, "-m", f"bench.{part}", *rest]) for part in chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
