#include <distributed-cache/audit.hpp>

#include <fmt/format.h>

#include <cohort/runtime/json_text.hpp>

namespace cohort {
namespace {

constexpr std::string_view name_of(audit_row::kind what) {
    switch (what) {
        case audit_row::kind::activate:
            return "activate";
        case audit_row::kind::store:
            return "store";
        case audit_row::kind::erase:
            return "erase";
    }
    return "unknown";
}

}  // namespace

std::string audit_line(const audit_row& row) {
    auto key = std::string{};
    for (auto byte : row.key) {
        key += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    }
    return fmt::format(
        R"({{"seq":{},"kind":"{}","space":{},"shard":{},"epoch":{},"key":"{}","version":{},)"
        R"("writer":{}}})",
        row.seq, name_of(row.what), json_text(row.owner.space), row.owner.shard, row.owner.epoch,
        key, row.version, json_text(row.writer));
}

std::optional<std::string> audit_judge::take(const audit_row& row) {
    ++rows_;
    auto& newest = newest_[{row.owner.space, row.owner.shard}];
    auto complaint = std::optional<std::string>{};
    if (row.owner.epoch < newest.epoch) {
        complaint = fmt::format(
            "row {}: shard {} of {} was written with epoch {} after epoch {} "
            "in row {}",
            row.seq, row.owner.shard, row.owner.space, row.owner.epoch, newest.epoch, newest.seq);
        ++violations_;
        return complaint;
    }
    if (row.owner.epoch > newest.epoch) {
        newest = {.epoch = row.owner.epoch, .seq = row.seq, .writer = row.writer};
        return complaint;
    }
    if (row.writer != newest.writer) {
        if (newest.former_writers.contains(row.writer)) {
            complaint = fmt::format(
                "row {}: {} wrote shard {} of {} with epoch {}, which had "
                "passed to {} in row {}",
                row.seq, row.writer, row.owner.shard, row.owner.space, row.owner.epoch,
                newest.writer, newest.seq);
            ++violations_;
        }
        newest.former_writers.insert(std::exchange(newest.writer, row.writer));
        newest.seq = row.seq;
    }
    return complaint;
}

}  // namespace cohort
