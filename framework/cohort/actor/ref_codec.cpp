#include <cohort/actor/ref_codec.hpp>

namespace cohort {
namespace {

std::vector<const wire_format*>& formats() {
    static auto all = std::vector<const wire_format*>{};
    return all;
}

}  // namespace

void detail::register_wire_format(const wire_format& format) { formats().push_back(&format); }

const std::vector<const wire_format*>& detail::wire_formats() noexcept { return formats(); }

}  // namespace cohort
