// Captures of every format, on blescan's whole way: what it writes for them, bleingest takes.
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/limits.hpp"
#include "base/unique_fd.hpp"
#include "batch/batch.hpp"
#include "fuzz.hpp"
#include "radio/capture/replay.hpp"
#include "radio/window/printer.hpp"
#include "radio/window/reducer.hpp"

BLE_FUZZ_QUIET

namespace {

using namespace ble;
using fuzz::must;

// --each and the batches in one.
class Both : public ReportSink {
  public:
    explicit Both(ReportSink &batches) : batches_(batches) {}
    void advance(Time now) override { batches_.advance(now); }
    void add(const Report &report) override {
        const std::string &line = line_.print(report, true);
        must(line.starts_with("{\"timestamp\":\"") && line.ends_with("}"), "a line of a report", line);
        batches_.add(report);
    }
    void listens(bool on, Time since) override { batches_.listens(on, since); }
    std::optional<Time> due() const override { return batches_.due(); }
    bool satisfied() const override { return batches_.satisfied(); }
    void finish() override { batches_.finish(); }

  private:
    ReportSink &batches_;
    ReportLine line_;
};

void take(Batch &batch) {
    static BatchParser parser;
    static std::uint64_t seq = 0;
    batch.device_id = "pi-fuzz-1";
    batch.position = RunPosition{"9f2c41d07a6be813", seq++};
    const std::string line = print_batch(batch);
    const auto parsed = parser.parse(line);
    const auto *found = std::get_if<ParsedBatch>(&parsed);
    must(line.size() <= max_line, "a batch is not too long", line);
    must(found != nullptr && found->rejected.empty(), "what blescan writes, bleingest takes", line);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    const UniqueFd file(::memfd_create("capture", MFD_CLOEXEC));
    must(::write(file.get(), bytes, size) == static_cast<ssize_t>(size), "a file in memory");
    WindowOptions options;
    options.window = std::chrono::seconds(1);
    options.profile = {true, true, true};
    options.count = 1000;
    AddressHasher hasher(std::nullopt);
    WindowReducer batches(options, hasher, take);
    Both sink(batches);
    Counters counters;
    try {
        Replay replay({"/proc/self/fd/" + std::to_string(file.get()), 0, size % 2 == 1}, counters,
                      [](int, auto) { return true; });
        replay.run(sink);
    } catch (const Error &error) {
        must(error.code() == ExitCode::data, error.what());
    }
    return 0;
}
