#include "blesend/spool.hpp"

#include <unistd.h>

#include <algorithm>

#include "base/lifecycle.hpp"
#include "base/line_writer.hpp"
#include "base/log.hpp"
#include "batch/json_text.hpp"
#include "blesend/options.hpp"
#include "spool/durable_spool.hpp"
#include "spool/ram_spool.hpp"
#include "spool/spool_status.hpp"

namespace ble {
namespace {

std::unique_ptr<Spool> make_spool(const SendOptions &given) {
    if (given.spool.empty())
        return std::make_unique<RamSpool>(static_cast<std::size_t>(std::max<std::int64_t>(given.buffer, 1)),
                                          given.max_age);
    DurableSpool::Bounds bounds{static_cast<std::size_t>(given.spool_max),
                                static_cast<std::uint64_t>(given.spool_max_bytes)};
    bounds.max_age = given.max_age;
    return std::make_unique<DurableSpool>(given.spool, bounds);
}

}  // namespace

std::unique_ptr<Spool> open_spool(const SendOptions &given, Lifecycle &lifecycle) {
    constexpr std::chrono::seconds retry_after(1);
    Throttle said;
    for (bool waited = false;; waited = true) {
        try {
            auto spool = make_spool(given);
            if (waited) log_info("the spool " + given.spool + " can be used now");
            return spool;
        } catch (const SqliteError &error) {
            if (error.kind() != SqliteError::Kind::trouble) throw;
            if (said.due())
                log_warning(std::string(error.what()) + "; the input waits, trying again every second");
            lifecycle.status(std::string("waiting: ") + error.what());
        }
        if (!lifecycle.pause(retry_after)) return nullptr;
    }
}

ExitCode print_spool_status(const SendOptions &options) {
    const SpoolStatus status = read_spool_status(options.spool, options.max_age);
    std::string text = "{\"spool\":";
    append_json_string(text, options.spool);
    const auto add = [&](const char *name, std::uint64_t value) {
        text.append(",\"").append(name).append("\":") += std::to_string(value);
    };
    add("batches", status.batches);
    add("bytes", status.bytes);
    add("gaps", status.gaps);
    text += ",\"oldest\":" + (status.oldest ? '"' + format_ms(*status.oldest) + '"' : "null");
    add("dropped", status.dropped);
    add("expired", status.expired);
    add("unnamed", status.unnamed);
    if (options.max_age.count() > 0) add("too_old", status.too_old);
    LineWriter out(STDOUT_FILENO);
    out.line(text + "}");
    out.flush();
    return ExitCode::ok;
}

}  // namespace ble
