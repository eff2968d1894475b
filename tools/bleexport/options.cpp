#include "bleexport/options.hpp"

#include "base/file.hpp"
#include "base/option_value.hpp"
#include "store/store.hpp"

namespace ble {
namespace {

std::optional<Time> moment_of(const std::string &text, const std::string &option, bool on_command_line) {
    if (text.empty()) return {};
    try {
        return to_moment(text);
    } catch (const std::string &wanted) {
        throw Error(on_command_line ? ExitCode::usage : ExitCode::config, option + ": " + wanted);
    }
}

}  // namespace

void declare_export_options(ExportOptions &o, CommandLine &line) {
    line.group("What");
    line.text("-d,--db PATH", o.db, "an SQLite database, or postgresql://[USER@]HOST[:PORT]/NAME");
    line.texts("--device ID", o.filter.devices, "only batches of this Pi; may be repeated");
    line.text("--since TIME", o.since,
              "only batches received at or after TIME: 2026-11-22T06:30:00Z, 2026-11-22, or 24h (ago)");
    line.text("--until TIME", o.until, "only batches received before TIME");
    line.group("Going on");
    line.text("--resume FILE", o.resume,
              "note in FILE how far the reader has come, and go on from there the next time; SQLite only");
    line.stray([](const std::string &word) { return "--db " + word; });
    line.epilogue(
        "Examples:\n"
        "  bleexport --db ble.db --resume moved | bleingest --import --db postgresql://db.example.org/ble\n"
        "  bleexport --db ble.db | gzip >ble.ndjson.gz\n"
        "  zcat ble.ndjson.gz | bleingest --import --db new.db\n"
        "  bleexport --db ble.db --since 24h | jq -c 'select(.detections) | [.device_id, (.detections | "
        "length)]'\n"
        "A batch is stored only once, so an export may always be started again from the beginning.");
}

void validate_export_options(ExportOptions &o, const CommandLine &line) {
    if (const auto problem = why_no_store(o.db); !problem.empty())
        throw Error(line.on_command_line("--db") ? ExitCode::usage : ExitCode::config, "--db: " + problem);
    o.filter.since = moment_of(o.since, "--since", line.on_command_line("--since"));
    o.filter.until = moment_of(o.until, "--until", line.on_command_line("--until"));
    if (!o.resume.empty() && o.db.find("://") != std::string::npos)
        throw Error(
            ExitCode::usage,
            "--resume works only with SQLite, because PostgreSQL does not number batches in the order of "
            "their arrival. Export again (no batch is stored twice), or limit the export by --since");
    if (o.common.check) {
        check_store(o.db);
        check_place("the file of --resume", o.resume);
    }
    if (o.db == ":memory:")
        throw Error(ExitCode::usage,
                    "--db: a database in memory can be read only by the program that made it");
}

}  // namespace ble
