#!/usr/bin/python3
"""The example compiles and runs against an installed copy of linkpilot-routes: by pkg-config, by
find_package, shared and static. usage: installed_copy_test.py BUILD_DIR SOURCE_DIR SANITIZERS"""

import os
import pathlib
import subprocess
import sys
import tempfile


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode != options.pop("expected", 0):
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def check_example(program, golden, environment):
    """The table is of 2023 and so expired: the direct path, and nothing else."""
    out = run(program, golden, "pull", "fra-1", env=environment)
    if out.strip() != "* -> fra-1 (192.0.1.2)  7.0 ms":
        sys.exit(f"{program}: unexpected answer: {out}")
    missing = subprocess.run([program, golden, "pull", "nowhere"], capture_output=True, check=False,
                             env=environment)
    if missing.returncode != 1:
        sys.exit(f"{program}: exit {missing.returncode} for an unknown target")


def main():
    build, source = map(pathlib.Path, sys.argv[1:3])
    flags = [f"-fsanitize={sys.argv[3]}"] if len(sys.argv) > 3 and sys.argv[3] else []
    golden = source / "tests/golden/route_table_v2.bin"
    example = source / "agent/route_client/example"
    with tempfile.TemporaryDirectory(prefix="lp-installed-") as temporary:
        work = pathlib.Path(temporary)
        prefix = work / "prefix"
        for component in ("routes", "routes_dev"):
            run("cmake", "--install", build, "--component", component, "--prefix", prefix)
        (pc,) = prefix.glob("lib*/**/pkgconfig")
        library = pc.parent
        environment = dict(os.environ, PKG_CONFIG_PATH=str(pc), LD_LIBRARY_PATH=str(library))
        soname = run("readelf", "-d", library / "liblinkpilot-routes.so")
        if "[liblinkpilot-routes.so.0]" not in soname:
            sys.exit("SONAME is not liblinkpilot-routes.so.0")
        words = run("pkg-config", "--cflags", "--libs", "linkpilot-routes", env=environment).split()
        run("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", *flags, example / "route_lookup.c",
            *words, "-o", work / "by_pkg_config")
        check_example(work / "by_pkg_config", golden, environment)
        run("cmake", "-G", "Ninja", "-S", example, "-B", work / "example", f"-DCMAKE_PREFIX_PATH={prefix}",
            f"-DCMAKE_C_FLAGS={' '.join(flags)}")
        run("cmake", "--build", work / "example")
        check_example(work / "example/route_lookup", golden, environment)
        check_example(work / "example/route_lookup_static", golden, environment)
        sync = work / "sync.cc"
        sync.write_text('#include <linkpilot/route_sync.h>\nint main() { std::string error;\n'
                        'auto sync = linkpilot::RouteSync::start({}, nullptr, error);\n'
                        'return sync == nullptr && !error.empty() ? 0 : 1; }\n', encoding="utf-8")
        words = run("pkg-config", "--cflags", "--libs", "linkpilot-routes-sync",
                    env=environment).split()
        run("c++", "-std=c++20", "-Wall", "-Werror", *flags, sync, *words, "-o", work / "sync")
        run(work / "sync", env=environment)


if __name__ == "__main__":
    main()
