"""Compare peers with other ways to call functions in processes: ``python benchmarks/compare.py``.

It needs the package. The dependency group ``benchmarks`` and Erlang's ``erl`` add systems; the
table names those that are missing. ``--help`` shows the options. See docs/benchmarks.md for how to
read the table.
"""

# No other import at the top: each process that multiprocessing spawns runs this file.
if __name__ == "__main__":
    import sys

    import command

    sys.exit(command.main())
