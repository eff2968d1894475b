#include "bletop/options.hpp"

#include <unistd.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/host.hpp"
#include "base/log.hpp"
#include "base/mistyped.hpp"
#include "base/secret.hpp"
#include "top/tables.hpp"
#include "transport/http.hpp"

namespace ble {

using namespace std::chrono_literals;

void declare_top_options(TopOptions &o, CommandLine &line) {
    line.group("Where lines come from");
    line.text("--url URL", o.url, "events of blews, as http://HOST:8765/events; else standard input is read");
    line.text("--token-file FILE", o.token_file, "file with the token that blews wants");
    line.text("--cafile FILE", o.tls.cafile, "authorities (PEM) for https://; default: the system's");
    line.text("--cert FILE", o.tls.cert, "certificate of ours (PEM), where blews wants one");
    line.text("--key FILE", o.tls.key, "its private key (PEM)");
    line.flag("--insecure", o.tls.insecure, "look at no certificate of the server");
    line.group("What is shown");
    line.flag("--pis", o.pis, "begin with the Pis");
    line.text("--sort COLUMN", o.sort,
              "hash, name, rssi, strength, trend, rate, zone, pi, heard; with --pis: pi, place, came, "
              "window, batches, "
              "heard, "
              "missing, lost, clock");
    line.flag("--reverse", o.reverse, "the other way round");
    line.text("--filter TEXT", o.filter, "only those with this in hash, name, beacon, zone or Pi");
    line.duration("--forget", o.forget, "an advertiser goes when it was not heard for so long");
    line.number("--most N", o.most, 16, 1'000'000, "advertisers at once; past it those heard longest ago go");
    line.group("Without a terminal");
    line.flag("--plain", o.plain, "print the table again and again, as it is done without a terminal");
    line.duration("--every", o.every, "print it so often");
    line.number("--rows N", o.rows, 1, 1'000'000, "rows to print");
    line.epilogue(
        "Examples:\n"
        "  blescan --detail --window 2 --interval 0 | bletop      what is on the air here\n"
        "  blesub --broker HOST | bletop                          what the Pis hear\n"
        "  bletop --url http://127.0.0.1:8765/events              what blews tells\n"
        "  bletop --url http://127.0.0.1:8765/events --pis --every 60 >>pis.log");
}

namespace {

void check_url(const TopOptions &o, const CommandLine &line) {
    const auto wrong = [&](const std::string &why) {
        return Error(line.on_command_line("--url") ? ExitCode::usage : ExitCode::config,
                     "--url " + shown_word(o.url) + ": " + why);
    };
    if (!o.url.starts_with("http://") && !o.url.starts_with("https://"))
        throw wrong("it does not begin with http:// or https://");
    const auto authority = std::string_view(o.url).substr(o.url.find("//") + 2);
    if (authority.substr(0, authority.find('/')).find('@') != std::string_view::npos)
        throw wrong("a password does not belong there; the token goes to --token-file");
    const HttpServerName server = server_of(o.url);
    if (server.host.empty()) throw wrong("http[s]://HOST[:PORT]/events is wanted");
    if (!o.tls.key.empty() && o.tls.cert.empty()) throw Error(ExitCode::usage, "--key needs --cert");
    if (o.token && !server.tls && !is_own_machine(server.host))
        log_warning("the token crosses the network to " + server.host +
                    " for everybody to read: use https://");
}

}  // namespace

void validate_top_options(TopOptions &o, const CommandLine &line) {
    const auto &columns = o.pis ? pi_columns() : advertiser_columns();
    if (o.sort.empty()) o.sort = o.pis ? "pi" : "rssi";
    const auto found = std::find(columns.begin(), columns.end(), o.sort);
    if (found == columns.end())
        throw Error(line.on_command_line("--sort") ? ExitCode::usage : ExitCode::config,
                    "--sort " + printable(o.sort) + ": there is no such column" + (o.pis ? " of Pis" : "") +
                        "; --help has them");
    o.column = static_cast<std::size_t>(found - columns.begin());
    if (o.every < 100ms) throw Error(ExitCode::usage, "--every: 100 milliseconds at least");
    if (o.forget < 1s) throw Error(ExitCode::usage, "--forget: 1 second at least");
    if (o.url.empty()) {
        for (const auto *option : {"--token-file", "--cafile", "--cert", "--key", "--insecure"})
            if (line.on_command_line(option))
                throw Error(ExitCode::usage, std::string(option) + " is for a server: --url URL");
        if (!o.common.check && ::isatty(STDIN_FILENO) != 0)
            throw Error(ExitCode::usage,
                        "nothing to read: pipe batches or events into bletop, as in blescan | bletop, or "
                        "name a server with --url");
        return;
    }
    o.token = find_secret(o.token_file, "BLEPIPE_TOKEN");
    check_url(o, line);
    if (!o.tls.key.empty()) guard_key_file(o.tls.key);
}

}  // namespace ble
