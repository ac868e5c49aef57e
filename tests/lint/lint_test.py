"""Feeds each lint a bad file and expects refusal, and a good one and expects silence."""

import contextlib
import io
import pathlib
import sys
import tempfile
import unittest
import unittest.mock

import lint


def run_lint(files, allowed=""):
    """(exit code, output) of the lint over a tree that holds `files`."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in {**files, "tests/lint/seam_allowed.txt": allowed}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        output = io.StringIO()
        with (
            unittest.mock.patch.object(sys, "argv", ["lint.py", "--root", folder]),
            unittest.mock.patch.object(sys, "stdin", io.StringIO("\n".join(files))),
            contextlib.redirect_stdout(output),
        ):
            code = lint.main()
        return code, output.getvalue()


class Lint(unittest.TestCase):
    def refuses(self, files, words, allowed=""):
        code, output = run_lint(files, allowed)
        self.assertEqual(code, 1, output)
        self.assertIn(words, output)

    def accepts(self, files, allowed=""):
        self.assertEqual(run_lint(files, allowed), (0, ""))

    def test_seam_refuses_every_direct_use_of_the_world(self):
        uses = {
            "auto t = std::chrono::steady_clock::now();": "steady_clock::now",
            "auto t = std::chrono::system_clock::now();": "system_clock::now",
            "auto t = std::chrono::high_resolution_clock::now();": "high_resolution_clock::now",
            "clock_gettime(CLOCK_MONOTONIC, &t);": "clock_gettime",
            "gettimeofday(&t, nullptr);": "gettimeofday",
            "auto t = time(nullptr);": "time(nullptr)",
            "std::random_device device;": "std::random_device",
            "int x = rand();": "rand(",
            "std::thread worker{run};": "std::thread",
            "std::jthread worker{run};": "std::thread",
            "auto x = std::async(run);": "std::async",
            "pthread_create(&t, nullptr, run, nullptr);": "pthread_create",
            "std::this_thread::sleep_for(1s);": "sleep",
            "int fd = ::socket(AF_INET, SOCK_STREAM, 0);": "::socket(",
            'auto x = std::getenv("HOME");': "getenv(",
        }
        for line, label in uses.items():
            for folder in ("framework/cohort/actor", "modules/cohort/http", "apps/cache"):
                with self.subTest(line=line, folder=folder):
                    self.refuses({f"{folder}/bad.cpp": line}, f"bad.cpp:1: uses {label} directly")

    def test_seam_accepts_words_in_comments_and_strings_and_names_that_only_look_alike(self):
        self.accepts(
            {
                "framework/cohort/actor/good.cpp": "// not steady_clock::now\n"
                "/* nor std::thread\n nor getenv( */\n"
                'auto text = "std::random_device";\n'
                "asio::ip::tcp::socket(context); operand(); this->time(0s); strand(x);\n"
            }
        )

    def test_seam_accepts_the_real_backend_and_what_is_outside_of_the_product(self):
        line = "auto t = std::chrono::steady_clock::now();"
        self.accepts({"framework/cohort/world/asio_clock.cpp": line, "tests/bench/clock.cpp": line})

    def test_seam_accepts_what_is_allowed_with_a_reason(self):
        bad = {"apps/load/main.cpp": "std::thread worker{run};"}
        self.accepts(bad, "# why\napps/load/main.cpp std::thread: a generator is not a node\n")
        self.refuses(bad, "is not `path label: reason`", "apps/load/main.cpp std::thread:\n")
        self.refuses(bad, "is not `path label: reason`", "apps/load/main.cpp threads: reason\n")

    def test_seam_refuses_an_allowance_that_nothing_needs(self):
        good = {"apps/load/main.cpp": "int main() {}"}
        self.refuses(good, "which has none", "apps/load/main.cpp std::thread: a reason\n")
        self.refuses(good, "which does not exist", "apps/gone.cpp std::thread: a reason\n")

    def test_floors_refuse_an_include_that_points_up(self):
        pairs = [
            ("framework/cohort/world", "runtime/core.hpp", "runtime is above world"),
            ("framework/cohort/runtime", "task/task.hpp", "task is above runtime"),
            ("framework/cohort/task", "actor/ref.hpp", "actor is above task"),
            ("framework/cohort/actor", "testkit/probe.hpp", "testkit is above actor"),
            ("framework/cohort/actor", "http/server.hpp", "knows nothing of the module http"),
            ("modules/cohort/remoting", "cluster/view.hpp", "cluster is not below the module remoting"),
            ("modules/cohort/cluster", "sharding/table.hpp", "sharding is not below"),
            ("modules/cohort/http", "management/admin.hpp", "management is not below"),
            ("modules/cohort/http", "testkit/probe.hpp", "testkit is not below"),
            ("modules/cohort/http", "actor/detail/cell.hpp", "the detail of actor is its own"),
            ("apps/cache", "actor/detail/cell.hpp", "the detail of actor is its own"),
            ("apps/cache", "testkit/probe.hpp", "does not ship the testkit"),
        ]
        for folder, include, words in pairs:
            with self.subTest(folder=folder, include=include):
                self.refuses({f"{folder}/bad.cpp": f"#include <cohort/{include}>\n"}, words)

    def test_floors_accept_what_is_below_beside_and_outside(self):
        self.accepts(
            {
                "framework/cohort/actor/good.cpp": "#include <cohort/actor/detail/cell.hpp>\n"
                "#include <cohort/task/task.hpp>\n#include <cohort/world/time.hpp>\n",
                "modules/cohort/sharding/good.cpp": "#include <cohort/cluster/view.hpp>\n"
                "#include <cohort/actor/ref.hpp>\n",
                "apps/cache/good.cpp": '#include "entity.hpp"\n#include <cohort/http/server.hpp>\n',
                "tests/framework/actor/good.cpp": "#include <cohort/actor/detail/cell.hpp>\n",
            }
        )

    def test_floors_refuse_relative_includes_which_would_hide_the_floor(self):
        self.refuses({"framework/cohort/world/bad.cpp": '#include "../actor/ref.hpp"\n'}, "write <cohort")
        self.refuses({"apps/cache/bad.cpp": '#include "../../framework/x.hpp"\n'}, "write <cohort")

    def test_floors_refuse_a_private_library_in_a_public_header(self):
        bad = "#include <spdlog/spdlog.h>\n"
        self.refuses({"framework/cohort/runtime/log.hpp": bad}, "in a public header")
        self.accepts({"framework/cohort/runtime/log.cpp": bad})

    def test_sizes_refuse_long_files_and_long_lines(self):
        self.refuses({"framework/cohort/actor/bad.hpp": "\n" * 401}, "the limit is 400")
        self.refuses({"framework/cohort/actor/bad.cpp": "\n" * 801}, "the limit is 800")
        self.refuses({"framework/cohort/actor/bad.cpp": "int a;\n" + "x" * 101}, "bad.cpp:2: has 101")
        self.accepts({"framework/cohort/actor/good.hpp": "\n" * 400 + "x" * 100})


if __name__ == "__main__":
    unittest.main()
