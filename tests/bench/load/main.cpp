#include "generator.hpp"
#include "options.hpp"
#include "report.hpp"

int main(int argc, char** argv) {
    using namespace cohort::bench;
    const options asked = parse_options(argc, argv);
    const stats counted = generator(asked).run();
    if (asked.json) {
        print_json(asked, counted);
    } else {
        print_table(asked, counted);
    }
    const bool wrong = counted.mismatched > 0 || counted.broken > 0;
    return wrong || counted.answered == 0 ? 1 : 0;
}
