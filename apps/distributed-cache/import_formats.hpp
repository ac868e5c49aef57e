#pragma once

#include <distributed-cache/line_splitter.hpp>

#include <cohort/world/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace cohort {

/// A row that an input asks for; borrowed from the format until its next call.
struct import_record {
    std::uint64_t line{};
    std::string_view key;
    std::string_view content;
};

/// Input that is no row, and why.
struct import_refusal {
    std::uint64_t line{};
    std::string reason;
};

/// What a line completed: nothing yet, a row, or a refusal.
using import_item = std::variant<std::monostate, import_record, import_refusal>;

/// Turns lines into rows. A plain state machine: it reads no file and writes no store.
class import_format {
public:
    virtual ~import_format() = default;

    virtual import_item take(const input_line& line) = 0;
    /// What the end of the input completed.
    virtual import_item finish() = 0;
};

/// One object a line: `{"key": "...", "value": ...}` with exactly these two members. A string is
/// kept as its text, any other JSON as it is written. Lines of white space are skipped.
std::unique_ptr<import_format> ndjson_format();

/// Stanzas of `Name: value` lines separated by empty lines, as `apt-cache dumpavail` prints them:
/// the key is the field `Package`, the content is the stanza as it stands. Of two stanzas of one
/// package the later one stays. Stanzas over `stanza_bytes_max` are refused.
std::unique_ptr<import_format> dumpavail_format(std::size_t stanza_bytes_max);

/// A format by its name on the command line.
///
/// Errors: `errc::invalid`.
result<std::unique_ptr<import_format>> make_import_format(std::string_view name,
                                                          std::size_t record_bytes_max);

}  // namespace cohort
