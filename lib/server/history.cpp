#include "server/history.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

#include "base/digest.hpp"
#include "base/gzip.hpp"
#include "batch/http_reply.hpp"

namespace ble {
namespace {

constexpr std::array questions{"pis", "presence", "track", "occupancy", "coverage", "missing", "top"};
constexpr std::array arguments{"since", "until", "device", "place", "every", "by", "limit"};
constexpr std::size_t longest_value = 200, hash_digits = 64, worth_packing = 1000;  // bytes

template <class Names>
bool has(const Names &names, std::string_view name) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

template <class Names>
std::string list(const Names &names) {
    std::string text;
    for (const char *name : names) text += (text.empty() ? "" : ", ") + std::string(name);
    return text;
}

bool is_hash(std::string_view text) {
    return !text.empty() && text.size() <= hash_digits &&
           text.find_first_not_of("0123456789abcdef") == text.npos;
}

// Between the words of a question are TABs.
bool is_value(std::string_view text) {
    return !text.empty() && text.size() <= longest_value &&
           std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; });
}

bool is_row_count(std::string_view text) {
    int rows = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rows);
    return error == std::errc() && end == text.data() + text.size() && rows >= 1 &&
           rows <= History::most_rows;
}

std::shared_ptr<const History::Answer> problem(int status, std::string_view detail) {
    return std::make_shared<History::Answer>(History::Answer{status, error_body(detail), {}, {}});
}

// "200 {…}": the status as HTTP has it.
std::shared_ptr<const History::Answer> answer_of(std::string line) {
    constexpr std::size_t digits = 3;
    const bool valid =
        line.size() > digits + 1 && line[digits] == ' ' &&
        std::all_of(line.begin(), line.begin() + digits, [](char c) { return c >= '0' && c <= '9'; });
    if (!valid) return problem(500, "the answer of blequery cannot be read");
    const int status = std::stoi(line.substr(0, digits));
    line.erase(0, digits + 1);
    std::string tag = status == 200 ? "W/\"" + hex(sha256(line)).substr(0, 32) + "\"" : "";
    std::string packed = line.size() > worth_packing ? gzip(line) : "";
    return std::make_shared<History::Answer>(
        History::Answer{status, std::move(line), std::move(packed), std::move(tag)});
}

}  // namespace

std::variant<std::string, HttpReply> History::question_of(std::string_view name, const Arguments &given) {
    if (!has(questions, name)) return http_error(404, "there is no such question: " + list(questions));
    std::string question(name), hash;
    std::vector<std::string_view> seen;
    for (const auto &[argument, value] : given) {
        const bool about = name == "track" && argument == "hash";
        if (!about && !has(arguments, argument))
            return http_error(400, "there is no such argument here: " + list(arguments) +
                                       (name == "track" ? ", hash" : ""));
        if (has(seen, argument)) return http_error(400, argument + " is given twice");
        seen.push_back(argument);
        if (about ? !is_hash(value) : !is_value(value))
            return http_error(400, argument + " has no value that can be used");
        if (argument == "limit" && !is_row_count(value))
            return http_error(400, "limit is a number from 1 to " + std::to_string(most_rows));
        if (about)
            hash = value;
        else
            question.append("\t--").append(argument).append("=").append(value);
    }
    if (!has(seen, "limit")) question += "\t--limit=" + std::to_string(usual_rows);
    if (name == "track" && hash.empty())
        return http_error(400, "hash is missing: give the hash of the advertiser, or its first digits");
    return hash.empty() ? question : question + "\t" + hash;
}

History::Ticket History::ask(const std::string &question, Ready ready) {
    tidy();
    const Ticket ticket = ++last_;
    const auto [found, is_new] = asked_.try_emplace(question);
    auto &asked = found->second;
    if (asked.answer) {
        ready(asked.answer);
        return ticket;
    }
    if (is_new) {
        const auto given =
            workers_.ask(question, [this, question](Workers::Outcome outcome, std::string line) {
                answered(question, outcome, std::move(line));
            });
        if (!given) {
            asked_.erase(found);
            ready(problem(503, "too many questions wait: try again later"));
            return ticket;
        }
        asked.ticket = *given;
    }
    asked.waiting.emplace(ticket, std::move(ready));
    questions_.emplace(ticket, question);
    return ticket;
}

void History::forget(Ticket ticket) {
    const auto question = questions_.find(ticket);
    if (question == questions_.end()) return;
    const auto asked = asked_.find(question->second);
    questions_.erase(question);
    asked->second.waiting.erase(ticket);
    if (asked->second.waiting.empty() && workers_.withdraw(asked->second.ticket)) asked_.erase(asked);
}

void History::answered(const std::string &question, Workers::Outcome outcome, std::string line) {
    using Outcome = Workers::Outcome;
    const auto found = asked_.find(question);
    auto &asked = found->second;
    asked.at = Clock::now();
    asked.answer = outcome == Outcome::answered ? answer_of(std::move(line))
                   : outcome == Outcome::late
                       ? problem(504, "the answer took too long: ask for a shorter time")
                   : outcome == Outcome::too_long
                       ? problem(400, "the answer is too long: ask for a shorter time or a smaller limit")
                       : problem(503, "the database cannot be read now: see the log of blews");
    const auto answer = asked.answer;
    const auto waiting = std::exchange(asked.waiting, {});
    std::size_t kept = 0;
    for (const auto &[other, one] : asked_)
        if (one.answer) kept += one.answer->body.size() + one.answer->packed.size();
    if (kept > most_kept) asked_.erase(found);
    for (const auto &[ticket, ready] : waiting) {
        questions_.erase(ticket);
        ready(answer);
    }
}

void History::tidy() {
    const auto now = Clock::now();
    std::erase_if(asked_,
                  [&](const auto &entry) { return entry.second.answer && entry.second.at + fresh <= now; });
}

}  // namespace ble
