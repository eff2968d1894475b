#include "blequery/options.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/mistyped.hpp"
#include "base/secret.hpp"
#include "blequery/asking.hpp"
#include "radio/window/address_hasher.hpp"
#include "store/store.hpp"

namespace ble {
namespace {

using std::chrono::seconds;

ExitCode wrong(const CommandLine &line, const std::string &option) {
    return line.on_command_line(option) ? ExitCode::usage : ExitCode::config;
}

void check_words(QueryOptions &o) {
    if (o.serve && !o.words.empty())
        throw Error(ExitCode::usage, "--serve: the questions come on standard input, a line each");
    if (o.serve) return;
    if (o.words.empty()) throw Error(ExitCode::usage, "a question is expected: " + all_questions());
    o.question = o.words[0];
    if (!is_question(o.question))
        throw Error(ExitCode::usage, "'" + shown_word(o.question) + "' is no question: " + all_questions());
    const bool track = o.question == "track";
    const std::size_t most = track ? 2 : 1;
    if (o.words.size() > most)
        throw Error(ExitCode::usage, "'" + shown_word(o.words[most]) + "': one question at a time" +
                                         (track ? ", about one advertiser" : ""));
    if (o.by == "device" && o.question != "occupancy") throw Error(ExitCode::usage, "--by is for occupancy");
    if (!track && !o.address.empty()) throw Error(ExitCode::usage, "--address is for track");
    if (track && (o.words.size() == 2) == !o.address.empty())
        throw Error(ExitCode::usage,
                    "track needs the hash of one advertiser or its first digits, or --address");
    if (o.words.size() == 2) o.hashes = {o.words[1]};
}

void set_scope(QueryOptions &o, const CommandLine &line) {
    const auto one = [](const std::string &text) {
        return text.empty() ? std::nullopt : std::optional(text);
    };
    // A Pi's clock may be a little ahead.
    o.scope.until = o.until.value_or(o.scope.present + seconds(10));
    o.scope.since = o.since.value_or(std::min(o.scope.until, o.scope.present) - usual_span(o.question));
    o.scope.device = one(o.device);
    o.scope.place = one(o.place);
    o.scope.by_device = o.by == "device";
    if (o.scope.since >= o.scope.until) throw Error(wrong(line, "--since"), "--since must be before --until");
    if (o.scope.every < seconds(1))
        throw Error(wrong(line, "--every"), "--every: a second at least is expected");
    if (o.limits.longest.count() == 0)
        throw Error(wrong(line, "--timeout"), "--timeout: some time is expected, as 10s");
}

// With --hash-epoch an advertiser has another hash in each epoch.
void hash_address(QueryOptions &o, const CommandLine &line) {
    constexpr std::size_t most = 1000;
    if (o.address.empty()) return;
    const auto address = parse_address(o.address);
    if (!address)
        throw Error(wrong(line, "--address"), "--address '" + printable(o.address) +
                                                  "': an address is expected, as in c4:f7:c1:4c:c1:c0");
    const auto key = find_key(o.hash_key, "BLEPIPE_HASH_KEY");
    if (o.hash_epoch.count() > 0 && (!key || o.hash_epoch.count() % 1000 != 0))
        throw Error(wrong(line, "--hash-epoch"),
                    "--hash-epoch: whole seconds are expected, and a key: --hash-key FILE");
    AddressHasher hasher(key, std::chrono::duration_cast<seconds>(o.hash_epoch));
    for (Time time = o.scope.since; time < o.scope.until; time = hasher.epoch_end(time)) {
        if (o.hashes.size() == most)
            throw Error(wrong(line, "--hash-epoch"),
                        "the time has more than 1000 epochs: ask for a shorter one");
        hasher.enter(time);
        o.hashes.push_back(hasher.hash(*address));
    }
}

}  // namespace

void declare_query_options(QueryOptions &o, CommandLine &line) {
    line.words(all_questions(), o.words,
               "the question; after track, the hash of an advertiser or its first digits");
    line.group("Where and when");
    line.text("-d,--db PATH", o.db, "an SQLite database, or postgresql://[USER@]HOST[:PORT]/NAME");
    line.moment("--since", o.since,
                "from TIME on: 2026-11-22T06:30:00Z, 2026-11-22, or 24h (ago); default: the last 24h, for "
                "presence the last minute");
    line.moment("--until", o.until, "before TIME; default: now");
    line.text("--device ID", o.device, "only this Pi");
    line.text("--place PLACE", o.place, "only Pis with this name or location");
    line.duration("--every", o.scope.every, "steps of track and occupancy, as 5m or 1h");
    line.choice("--by", o.by, {"place", "device"}, "rows of occupancy: one for each place, or each Pi");
    line.group("The advertiser of track");
    line.text("--address ADDRESS", o.address, "its address; it is hashed as blescan hashes it", "-");
    line.text("--hash-key FILE", o.hash_key, "hash the address with the key in FILE",
              "BLEPIPE_HASH_KEY_FILE");
    line.duration("--hash-epoch TIME", o.hash_epoch,
                  "time after which blescan changes the hashes, as 24h; 0: never");
    line.group("Answer");
    line.choice("--format", o.format, {"auto", "table", "json", "csv"},
                "auto: a table on a terminal, one JSON object a line otherwise");
    line.number("--limit N", o.limits.rows, 1, 1'000'000, "most rows; of more, only the latest");
    line.flag("--serve", o.serve, "answer questions from standard input, one a line, for another program",
              "-");
    line.duration("--timeout", o.limits.longest, "give up when the database needs longer");
    line.epilogue(
        "Examples:\n"
        "  blequery pis\n"
        "  blequery presence --place Lab\n"
        "  blequery track --address c4:f7:c1:4c:c1:c0 --hash-key key --since 7d --every 1h\n"
        "  blequery coverage --since 12h | jq -c 'select(.what != \"listening\")'\n"
        "  blequery occupancy --since 2026-11-01 --every 1h --format csv >november.csv");
}

void validate_query_options(QueryOptions &o, const CommandLine &line) {
    if (const auto problem = why_no_store(o.db); !problem.empty())
        throw Error(wrong(line, "--db"), "--db: " + problem);
    if (o.db == ":memory:")
        throw Error(wrong(line, "--db"), "--db: a database in memory is another program's alone");
    check_words(o);
    if (o.serve) return;
    if (o.common.check) check_store(o.db);
    set_scope(o, line);
    hash_address(o, line);
}

}  // namespace ble
