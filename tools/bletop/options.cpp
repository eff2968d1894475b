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
    line.text("--url URL", o.url,
              "read the events of blews, as http://HOST:8765/events; without it, read standard input");
    line.text("--token-file FILE", o.token_file, "file with the token of blews");
    line.text("--cafile FILE", o.tls.cafile,
              "file of authorities (PEM) for https://; default: those of the system");
    line.text("--cert FILE", o.tls.cert, "our certificate (PEM), if blews asks for one");
    line.text("--key FILE", o.tls.key, "its private key (PEM)");
    line.flag("--insecure", o.tls.insecure, "do not check the certificate of the server");
    line.group("What is shown");
    line.flag("--pis", o.pis, "show the table of Pis first");
    line.text("--sort COLUMN", o.sort,
              "hash, name, rssi, strength, trend, rate, zone, pi, heard; with --pis: pi, place, came, "
              "window, batches, "
              "heard, "
              "missing, lost, clock");
    line.flag("--reverse", o.reverse, "sort in the opposite order");
    line.text("--filter TEXT", o.filter,
              "show only advertisers that have this text in hash, name, beacon, zone or Pi");
    line.duration("--forget", o.forget, "remove an advertiser that was not heard for this long");
    line.number("--most N", o.most, 16, 1'000'000,
                "keep at most N advertisers; then remove those heard longest ago");
    line.group("Without a terminal");
    line.flag("--plain", o.plain, "print plain tables, one after the other, as without a terminal");
    line.duration("--every", o.every, "time between two tables");
    line.number("--rows N", o.rows, 1, 1'000'000, "rows of each table");
    line.stray([](const std::string &word) {
        return is_url(word) ? "--url " + word : (is_file(word) ? "<" : "--filter ") + word;
    });
    line.epilogue(
        "Examples:\n"
        "  blescan --detail --window 2 --interval 0 | bletop      what this computer hears\n"
        "  blesub --broker HOST | bletop                          what the Pis hear\n"
        "  bletop --url http://127.0.0.1:8765/events              the events of blews\n"
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
    if (server.host.empty()) throw wrong("http[s]://HOST[:PORT]/events is expected");
    if (!o.tls.key.empty() && o.tls.cert.empty()) throw Error(ExitCode::usage, "--key needs --cert");
    if (o.token && !server.tls && !is_own_machine(server.host))
        log_warning("the token goes over the network to " + server.host +
                    " unencrypted, where others can read it: use https://");
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
