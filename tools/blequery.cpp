// blequery: ask a database what people ask of it, and print the answer.
// The contract (options, answers, exit codes) is man/blequery.1.
#include <unistd.h>

#include "base/command_line.hpp"
#include "base/counters.hpp"
#include "base/line_writer.hpp"
#include "base/log.hpp"
#include "base/look.hpp"
#include "blequery/asking.hpp"
#include "blequery/options.hpp"
#include "blequery/serve.hpp"
#include "blequery/text.hpp"
#include "store/questions.hpp"
#include "store/store.hpp"

using namespace ble;

namespace {

std::vector<std::string> lines_of(const std::vector<Fields> &rows, const std::string &format) {
    if (format == "csv") return csv_lines(rows);
    const bool table = format == "table" || (format == "auto" && ::isatty(STDOUT_FILENO) == 1);
    return table ? table_lines(rows, look_of(STDOUT_FILENO).utf8) : json_lines(rows);
}

ExitCode run(const QueryOptions &options) {
    Counters counters;
    Lifecycle life(options.common, counters);
    const auto go_on = [&life] {
        life.handle();
        life.progress();
        return !life.stopping();
    };
    if (options.serve) return serve(options, life, go_on);
    LineWriter writer(STDOUT_FILENO, life.fd(), [&go_on] { return !go_on(); });
    life.ready("asking " + options.db);
    Found found;
    try {
        found = ask(*open_questions(options.db, options.limits, go_on), options);
    } catch (const StoreTrouble &) {
        if (!life.stopping()) throw;
        log_info("stopped before there was an answer");
        return ExitCode::temporary;
    }
    for (const auto &line : lines_of(found.rows, options.format)) writer.line(line);
    writer.flush();
    counters.out = found.rows.size();
    for (const auto &part : {found.cut, found.deleted})
        if (!part.empty()) log_warning(part);
    if (!found.why_empty.empty() && ::isatty(STDERR_FILENO) == 1) log_info(found.why_empty);
    return ExitCode::ok;
}

}  // namespace

int main(int argc, char **argv) {
    return run_tool<QueryOptions>(argc, argv, "blequery",
                                  "ask a database: how the Pis are, who is where, what is missing.",
                                  declare_query_options, validate_query_options, run);
}
