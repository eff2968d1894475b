#include "blequery/serve.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "base/line_writer.hpp"
#include "batch/http_reply.hpp"
#include "batch/json_text.hpp"
#include "blequery/asking.hpp"
#include "blequery/text.hpp"
#include "store/store.hpp"

namespace ble {
namespace {

constexpr std::size_t longest_question = 8192;

// False: the end. The pipe of a question is small and stays so: many of them would use up what the user may have in pipes.
bool read_some(std::string &into) {
    std::array<char, longest_question> piece;
    const ssize_t got = ::read(STDIN_FILENO, piece.data(), piece.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
    if (got < 0) throw system_error("read standard input", ExitCode::io);
    into.append(piece.data(), static_cast<std::size_t>(got));
    if (into.size() > longest_question && into.find('\n') == into.npos)
        throw Error(ExitCode::data,
                    "a question is longer than " + std::to_string(longest_question) + " bytes");
    return got > 0;
}

std::string problem(const char *status, std::string_view why) {
    return std::string(status) + " " + error_body(why);
}

std::vector<std::string> words_of(std::string_view line) {
    std::vector<std::string> words{"blequery"};
    while (!line.empty()) {
        const auto word = line.substr(0, line.find('\t'));
        words.emplace_back(word);
        line.remove_prefix(std::min(line.size(), word.size() + 1));
    }
    return words;
}

// A question is one of a command line, of the same database.
QueryOptions options_of(std::string_view question, const QueryOptions &base) {
    const auto words = words_of(question);
    std::vector<const char *> argv;
    argv.reserve(words.size());
    for (const auto &word : words) argv.push_back(word.c_str());
    QueryOptions options;
    CommandLine line("blequery", "");
    declare_query_options(options, line);
    if (!line.parse(static_cast<int>(argv.size()), argv.data()) || options.serve)
        throw Error(ExitCode::usage, "that is no question");
    options.db = base.db;
    options.limits.longest = base.limits.longest;
    validate_query_options(options, line);
    return options;
}

std::string found_json(const Found &found) {
    std::string text = "{\"rows\":[";
    const char *between = "";
    for (const auto &row : json_lines(found.rows)) text.append(std::exchange(between, ",")).append(row);
    text += "]";
    const auto add = [&](const char *name, const std::string &value) {
        if (value.empty()) return;
        text.append(",\"").append(name).append("\":");
        append_json_string(text, value);
    };
    add("more", found.cut);
    add("deleted", found.deleted);
    add("why_empty", found.why_empty);
    return text + "}";
}

}  // namespace

std::string Serving::answer(std::string_view line) {
    try {
        return ask_store(options_of(line, base_));
    } catch (const Unknown &error) {
        return problem("404", error.what());
    } catch (const TooSlow &error) {
        return problem("504", error.what());
    } catch (const Error &error) {
        if (error.code() == ExitCode::usage || error.code() == ExitCode::config)
            return problem("400", error.what());
        if (trouble_said_.due()) log_warning(error.what());
        questions_.reset();
        return problem("503", "the database cannot be read for now: " + std::string(error.what()));
    }
}

std::string Serving::ask_store(const QueryOptions &options) {
    if (!questions_) {
        try {
            questions_ = open_questions(base_.db, base_.limits, go_on_);
        } catch (const Error &error) {  // whatever its code, it is not the question's fault
            throw StoreTrouble(ExitCode::temporary, error.what());
        }
    }
    questions_->limit_rows(options.limits.rows);
    return "200 " + found_json(ask(*questions_, options));
}

ExitCode serve(const QueryOptions &options, Lifecycle &life, const std::function<bool()> &go_on) {
    LineWriter writer(STDOUT_FILENO, life.fd(), [&go_on] { return !go_on(); });
    Serving serving(options, go_on);
    life.ready("answering about " + options.db);
    std::string asked;
    while (go_on()) {
        std::array waited{pollfd{STDIN_FILENO, POLLIN, 0}, pollfd{life.fd(), POLLIN, 0}};
        ::poll(waited.data(), waited.size(), -1);
        if (waited[0].revents == 0) continue;
        if (!read_some(asked)) break;
        for (std::size_t end; (end = asked.find('\n')) != asked.npos; asked.erase(0, end + 1))
            writer.line(serving.answer(std::string_view(asked).substr(0, end)));
        writer.flush();
    }
    return ExitCode::ok;
}

}  // namespace ble
