// bletop: a live table of the advertisers that are heard and of the Pis that hear them, from batches or events.
// The contract (options, keys, exit codes) is man/bletop.1.
#include "base/command_line.hpp"
#include "base/lifecycle.hpp"
#include "bletop/input.hpp"
#include "bletop/options.hpp"
#include "bletop/show.hpp"
#include "top/intake.hpp"
#include "top/terminal.hpp"

namespace {

using namespace ble;

AirModel::Limits limits_of(const TopOptions &o) {
    AirModel::Limits limits;
    limits.advertisers = static_cast<std::size_t>(o.most);
    limits.forget = o.forget;
    return limits;
}

ExitCode run(const TopOptions &o) {
    Counters counters;
    Lifecycle life(o.common, counters);
    AirModel model(limits_of(o));
    Intake intake(model);
    Viewer viewer(model, o.pis ? Viewer::Screen::pis : Viewer::Screen::advertisers);
    TableView &first = o.pis ? viewer.pis() : viewer.advertisers();
    first.column = o.column;
    first.reversed = o.reverse;
    first.filter = o.filter;
    const auto input = make_input(o, counters);
    life.ready("reading");
    life.on_status(
        [&] { return input->status() + "; " + std::to_string(model.advertisers().size()) + " advertisers"; });
    Shown shown{o,     life,   *input,
                model, viewer, [&](std::string_view line) { return intake.take(line, moment_now()); }};
    const bool on_terminal = !o.plain && Terminal::usable();
    return on_terminal ? show_on_terminal(shown) : show_plainly(shown);
}

}  // namespace

int main(int argc, char **argv) {
    return run_tool<TopOptions>(
        argc, argv, "bletop",
        "show live who is heard and how well, in a terminal: batches or events in a table",
        declare_top_options, validate_top_options, run);
}
