#include "bleingest/options.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <string_view>

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/mistyped.hpp"
#include "store/store.hpp"

namespace ble {
namespace {

// Batches are read from such a word by nobody: it is where they are to go.
bool is_database(const std::string &word) {
    constexpr std::string_view magic{"SQLite format 3\0", 16};
    if (is_url(word)) return true;
    std::string start(magic.size(), '\0');
    struct stat info {};
    if (::stat(word.c_str(), &info) != 0) return word.ends_with(".db") || word.ends_with(".sqlite");
    if (!S_ISREG(info.st_mode)) return false;  // opening a FIFO is not for a look
    std::ifstream(word).read(start.data(), static_cast<std::streamsize>(start.size()));
    return start == magic;
}

}  // namespace

void declare_ingest_options(IngestOptions &o, CommandLine &line) {
    line.words("FIFO|FILE", o.inputs,
               "what to read; several are read at the same time; -, the default, is standard input");
    line.group("Input");
    line.flag("--hold", o.hold, "keep a FIFO open when its writer ends, and wait for the next writer");
    line.number("-n,--count N", o.count, 0, INT64_MAX, "end after storing N batches; 0: never");
    line.flag("--strict", o.strict, "exit 65 at the end if a line was rejected or cut off");
    line.flag("--import", o.import,
              "accept lines of bleexport too, and keep their times; only from a database that you trust");
    line.group("Store");
    line.text("-d,--db PATH", o.db,
              "an SQLite database (:memory: for a test), or postgresql://[USER@]HOST[:PORT]/NAME");
    line.days("--retain", o.retain, "delete batches received longer ago than this: 90 (days), 12h; 0: never");
    line.days("--retain-rollups", o.retain_rollups,
              "with --retain: delete the rollups later, after 730 days as an example; 0: never");
    line.flag("--rebuild-rollups", o.rebuild_rollups,
              "make the rollups anew of the detections that are there, and end; reads no input");
    line.flag("--clock-is-right", o.clock_is_right,
              "for one start: you have checked that the clock is right, and --retain may use it again");
    line.number("--max-advertisers-per-batch N", o.most_advertisers, 1, INT64_MAX,
                "reject a batch that has more detections");
    line.text("--reject FILE", o.reject, "file for rejected lines: not a valid batch");
    line.number("--reject-max BYTES", o.reject_max, 0, INT64_MAX, "largest size of this file");
    line.group("Output");
    line.duration(
        "--event-timeout", o.event_timeout,
        "wait this long for a reader that does not take the events, then drop them; 0: wait for ever");
    declare_doctor(o.doctor, line, "the database, its disk and the clock");
    line.epilogue(
        "Examples:\n"
        "  blesub --broker localhost | bleingest | blews\n"
        "  bleingest --db /tmp/try.db batches.ndjson > /dev/null\n"
        "  bleexport --db ble.db | bleingest --import --db postgresql://db.example.org/ble\n"
        "  blequery pis --db ble.db\n");
}

void validate_ingest_options(IngestOptions &o, const CommandLine &line) {
    validate_doctor(o.doctor, line);
    if (const auto problem = why_no_store(o.db); !problem.empty())
        throw Error(line.on_command_line("--db") ? ExitCode::usage : ExitCode::config, "--db: " + problem);
    if (o.clock_is_right && o.retain.count() == 0)
        throw Error(ExitCode::usage, "--clock-is-right needs --retain, which is not given");
    if (o.common.check) {
        if (!is_url(o.db) && o.db != ":memory:") check_place("the database", o.db);
        check_store(o.db);
        check_place("the reject file", o.reject);
    }
    for (const auto &word : o.inputs) {
        if (const auto problem = why_no_store(word); !word.empty() && !problem.empty())
            throw Error(ExitCode::usage, "a database is no file of batches; and as a --db: " + problem);
        if (is_database(word))
            throw Error(ExitCode::usage, printable(word) +
                                             " is a database, not a file of batches; did you mean --db " +
                                             printable(word) + "?");
    }
    if (!line.given("--retain-rollups")) o.retain_rollups = o.retain;
    if (o.retain.count() == 0 && o.retain_rollups.count() > 0)
        throw Error(ExitCode::usage, "--retain-rollups goes with --retain, which is not given");
    if (o.retain_rollups.count() > 0 && o.retain_rollups < o.retain)
        throw Error(ExitCode::usage,
                    "--retain-rollups is shorter than --retain: rollups are kept as long as their "
                    "batches, or longer");
    if (o.rebuild_rollups && !o.inputs.empty())
        throw Error(ExitCode::usage, "--rebuild-rollups reads no input: leave " + o.inputs.front() + " out");
    if (o.inputs.empty()) o.inputs = {"-"};
    if (std::count(o.inputs.begin(), o.inputs.end(), "-") > 1)
        throw Error(ExitCode::usage, "- is given twice: there is one standard input");
}

}  // namespace ble
