#include "base/command_line.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iostream>

#include "base/mistyped.hpp"
#include "base/option_value.hpp"
#include "base/version.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;

// Takes a value's text; throws std::string with what would be right.
using Setter = std::function<void(const std::string &)>;

struct Option {
    std::string flags, label, name, environment, help, heading, initial;
    std::vector<std::string> choices;
    bool is_flag = false, is_list = false, given = false, by_flag = false;
    Setter set;
};

// "-t,--topic TOPIC" -> flags, label, longest name.
Option describe(const std::string &flags, const std::string &default_label, const std::string &environment) {
    Option option;
    const auto blank = flags.find(' ');
    option.flags = flags.substr(0, blank);
    option.label = blank == std::string::npos ? default_label : flags.substr(blank + 1);
    option.name = option.flags.substr(option.flags.rfind(',') + 1);
    option.environment = environment == "-" ? "" : environment;
    if (environment.empty()) {
        option.environment = "BLEPIPE_";
        for (const char c : option.name.substr(2))
            option.environment +=
                c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    return option;
}

// The words as CLI11 takes them, the last first. It would give the word that follows to an option with an empty value
// ("--name= --tls"), so that becomes two words.
std::vector<std::string> words_backwards(int argc, const char *const *argv) {
    std::vector<std::string> words;
    bool options = true;
    for (int i = 1; i < argc; ++i) {
        std::string word = argv[i];
        options = options && word != "--";
        const bool empty_value = options && word.starts_with("--") && word.find('=') == word.size() - 1;
        if (empty_value) word.pop_back();
        words.push_back(std::move(word));
        if (empty_value) words.emplace_back();
    }
    std::reverse(words.begin(), words.end());
    return words;
}

// Breaks a help text into lines of `width`.
std::vector<std::string> wrap(const std::string &text, std::size_t width) {
    std::vector<std::string> lines(1);
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find(' ', at), text.size());
        const std::string word = text.substr(at, end - at);
        if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width) lines.emplace_back();
        lines.back() += (lines.back().empty() ? "" : " ") + word;
        at = end + 1;
    }
    return lines;
}

}  // namespace

struct CommandLine::Impl {
    std::string tool, purpose, heading = "Options", words_label, words_help, epilogue;
    std::vector<std::string> *words = nullptr;
    std::function<std::string(const std::string &)> instead_of_word;
    std::vector<std::unique_ptr<Option>> options;
    CommonOptions common;
    bool help = false, version = false, verbose = false, quiet = false;
    LogLevel level = LogLevel::info;

    Option &add(Option option, const std::string &help_text, Setter set) {
        option.help = help_text;
        option.heading = heading;
        option.set = std::move(set);
        options.push_back(std::make_unique<Option>(std::move(option)));
        return *options.back();
    }
    const Option &find(const std::string &name) const {
        for (const auto &option : options)
            if (option->name == name) return *option;
        throw Error(ExitCode::software, "no option is named " + name);
    }
    void declare_common(CommandLine &line);
    void read_words(int argc, const char *const *argv);
    Error not_expected(const std::vector<std::string> &rest) const;
    std::string choice_of(const std::string &word) const;
    std::string instead_of(const std::string &word) const;
    void read_environment();
    void warn_of_environment() const;
    void print_help() const;
};

CommandLine::CommandLine(const std::string &tool, const std::string &purpose)
    : impl_(std::make_unique<Impl>()) {
    impl_->tool = impl_->common.tool = tool;
    impl_->purpose = purpose;
    set_log_name(tool);
}
CommandLine::~CommandLine() = default;

void CommandLine::group(const std::string &heading) {
    impl_->heading = heading;
}

void CommandLine::text(const std::string &flags, std::string &value, const std::string &help,
                       const std::string &environment) {
    impl_
        ->add(describe(flags, "TEXT", environment), help,
              [&value](const std::string &given) { value = given; })
        .initial = value;
}

void CommandLine::number(const std::string &flags, std::int64_t &value, std::int64_t least, std::int64_t most,
                         const std::string &help, const std::string &environment) {
    impl_
        ->add(describe(flags, "N", environment), help,
              [&value, least, most](const std::string &given) { value = to_number(given, least, most); })
        .initial = std::to_string(value);
}

void CommandLine::duration(const std::string &flags, milliseconds &value, const std::string &help,
                           const std::string &environment) {
    impl_
        ->add(describe(flags, "SECONDS", environment), help,
              [&value](const std::string &given) { value = to_duration(given); })
        .initial = duration_text(value);
}

void CommandLine::days(const std::string &flags, milliseconds &value, const std::string &help,
                       const std::string &environment) {
    impl_
        ->add(describe(flags, "DAYS", environment), help,
              [&value](const std::string &given) { value = to_days(given); })
        .initial = duration_text(value);
}

void CommandLine::moment(const std::string &flags, std::optional<Time> &value, const std::string &help,
                         const std::string &environment) {
    impl_->add(describe(flags, "TIME", environment), help,
               [&value](const std::string &given) { value = to_moment(given); });
}

void CommandLine::flag(const std::string &flags, bool &value, const std::string &help,
                       const std::string &environment) {
    impl_
        ->add(describe(flags, "", environment), help,
              [&value](const std::string &given) { value = to_bool(given); })
        .is_flag = true;
}

void CommandLine::choice(const std::string &flags, std::string &value,
                         const std::vector<std::string> &choices, const std::string &help,
                         const std::string &environment) {
    std::string all;
    for (const auto &word : choices) all += (all.empty() ? "" : "|") + word;
    Option &option =
        impl_->add(describe(flags, all, environment), help, [&value, choices, all](const std::string &given) {
            if (std::find(choices.begin(), choices.end(), given) == choices.end()) throw all + " is expected";
            value = given;
        });
    option.initial = value;
    option.choices = choices;
}

void CommandLine::texts(const std::string &flags, std::vector<std::string> &values, const std::string &help,
                        const std::string &environment) {
    impl_
        ->add(describe(flags, "TEXT", environment), help,
              [&values](const std::string &given) { values.push_back(given); })
        .is_list = true;
}

void CommandLine::words(const std::string &label, std::vector<std::string> &values, const std::string &help) {
    impl_->words = &values;
    impl_->words_label = label;
    impl_->words_help = help;
}

void CommandLine::stray(std::function<std::string(const std::string &word)> instead) {
    impl_->instead_of_word = std::move(instead);
}

void CommandLine::epilogue(const std::string &text) {
    impl_->epilogue = text;
}

bool CommandLine::given(const std::string &name) const {
    return impl_->find(name).given;
}
bool CommandLine::on_command_line(const std::string &name) const {
    return impl_->find(name).by_flag;
}
const CommonOptions &CommandLine::common() const {
    return impl_->common;
}

void CommandLine::Impl::declare_common(CommandLine &line) {
    line.group("Common");
    line.flag("--check", common.check, "validate the options, connect to nothing, and end");
    line.duration("--run-for", common.run_for, "stop after this time, as on SIGTERM; 0: never");
    line.duration(
        "--stats", common.stats,
        "print the counters as JSON on standard error at this interval (and on each SIGUSR1); 0: never");
    line.text("--metrics FILE", common.metrics, "keep the counters in FILE as Prometheus text");
    line.text(
        "--instance NAME", common.instance,
        "value of the label instance in the metrics; default: the name of FILE without folder and ending");
    line.flag("-v,--verbose", verbose, "say more on standard error (LOG_LEVEL=debug)", "-");
    line.flag("-q,--quiet", quiet, "say only warnings and errors (LOG_LEVEL=warning)", "-");
    line.flag("-h,--help", help, "print this help", "-");
    line.flag("-V,--version", version, "print the version", "-");
}

void CommandLine::Impl::read_words(int argc, const char *const *argv) {
    CLI::App app;
    app.set_help_flag();
    app.allow_extras();  // so that it is us who say what they are
    std::vector<std::pair<Setter, const CLI::Option *>> flags;
    for (const auto &owned : options) {
        Option *option = owned.get();
        const auto take = [option](const std::string &value) {
            option->given = option->by_flag = true;
            try {
                option->set(value);
            } catch (const std::string &wanted) {
                throw Error(ExitCode::usage, option->name + " '" + printable(value) + "': " + wanted);
            }
        };
        if (option->is_flag) {
            flags.emplace_back(take, app.add_flag(option->flags));
        } else if (option->is_list) {
            app.add_option_function<std::vector<std::string>>(option->flags,
                                                              [take](const std::vector<std::string> &values) {
                                                                  for (const auto &value : values)
                                                                      take(value);
                                                              })
                ->allow_extra_args(false);
        } else {
            app.add_option_function<std::string>(option->flags, take)->take_last();
        }
    }
    if (words != nullptr) app.add_option("words", *words);
    try {
        app.parse(words_backwards(argc, argv));
    } catch (const CLI::ParseError &error) {
        throw Error(ExitCode::usage, std::string(error.what()) + " (try " + tool + " --help)");
    }
    auto rest = app.remaining();
    std::erase(rest, "--");  // which only says that no options follow
    if (!rest.empty()) throw not_expected(rest);
    for (const auto &[take, flag] : flags)  // "true", or what stands behind "="
        if (flag->count() > 0) take(flag->results().back());
}

// The first that looks like an option: what follows it may be its value.
Error CommandLine::Impl::not_expected(const std::vector<std::string> &rest) const {
    const auto found = std::find_if(rest.begin(), rest.end(),
                                    [](const auto &word) { return word.size() > 1 && word.front() == '-'; });
    const std::string advice = " (try " + tool + " --help)";
    if (found != rest.end()) {
        std::vector<std::string> names;
        for (const auto &option : options)
            for (const auto &name : CLI::detail::split(option->flags, ',')) names.push_back(name);
        const auto typed = found->substr(0, found->find('='));
        const auto choice = typed.starts_with("--") ? choice_of(typed.substr(2)) : "";
        const auto text = choice.empty()
                              ? no_such_option(*found, names)
                              : "there is no option " + printable(typed) + "; did you mean " + choice + "?";
        return Error(ExitCode::usage, text + advice);
    }
    const auto instead = instead_of(rest.front());
    return Error(ExitCode::usage, "'" + shown_word(rest.front()) + "' belongs to no option" +
                                      (instead.empty() ? "" : "; did you mean " + shown_word(instead) + "?") +
                                      advice);
}

// "--format csv" for "csv".
std::string CommandLine::Impl::choice_of(const std::string &word) const {
    for (const auto &option : options)
        if (std::find(option->choices.begin(), option->choices.end(), word) != option->choices.end())
            return option->name + " " + word;
    return {};
}

std::string CommandLine::Impl::instead_of(const std::string &word) const {
    if (auto choice = choice_of(word); !choice.empty()) return choice;
    return instead_of_word ? instead_of_word(word) : "";
}

void CommandLine::Impl::warn_of_environment() const {
    std::vector<std::string> own;
    for (const auto &option : options) own.push_back(option->environment);
    for (const auto &warning : strange_environment(environ, own)) log_warning(warning);
}

void CommandLine::Impl::read_environment() {
    for (const auto &option : options) {
        if (option->by_flag || option->environment.empty()) continue;
        const char *value = std::getenv(option->environment.c_str());
        if (value == nullptr || *value == '\0') continue;
        option->given = true;
        try {
            if (!option->is_list)
                option->set(value);
            else
                for (const auto &part : CLI::detail::split(value, ',')) option->set(part);
        } catch (const std::string &wanted) {
            throw Error(ExitCode::config,
                        option->environment + "='" + printable(value) + "' in the environment: " + wanted);
        }
    }
    if (const char *value = std::getenv("LOG_LEVEL"); value != nullptr && *value != '\0') {
        try {
            level = to_log_level(value);
        } catch (const std::string &wanted) {
            throw Error(ExitCode::config,
                        "LOG_LEVEL='" + printable(value) + "' in the environment: " + wanted);
        }
    }
}

void CommandLine::Impl::print_help() const {
    constexpr std::size_t column = 30, width = 70;
    std::cout << tool << ": " << purpose << "\n\nUsage: " << tool << " [OPTION...]"
              << (words != nullptr ? " [" + words_label + "...]" : "") << "\n";
    if (words != nullptr) std::cout << "\n  " << words_label << "  " << words_help << "\n";
    std::string last;
    for (const auto &option : options) {
        if (option->heading != last) std::cout << "\n" << option->heading << ":\n";
        last = option->heading;
        std::string head = "  " + std::string(option->flags[1] == '-' ? "    " : "");
        for (const char c : option->flags) head += c == ',' ? std::string(", ") : std::string(1, c);
        head += (option->label.empty() ? "" : " ") + option->label;
        std::string tail = option->help;
        std::string note = option->initial.empty() ? "" : "default " + option->initial;
        if (!option->environment.empty())
            note += (note.empty() ? "" : "; ") + std::string("$") + option->environment;
        if (!note.empty()) tail += " [" + note + "]";
        const auto lines = wrap(tail, width);
        if (head.size() + 2 > column) {
            std::cout << head << "\n" << std::string(column, ' ');
        } else {
            std::cout << head << std::string(column - head.size(), ' ');
        }
        for (std::size_t i = 0; i < lines.size(); ++i)
            std::cout << (i == 0 ? "" : std::string(column, ' ')) << lines[i] << "\n";
    }
    if (!epilogue.empty()) std::cout << "\n" << epilogue << "\n";
    std::cout << "\nThe command line overrides the environment. Manual: man " << tool << "\n";
}

bool CommandLine::parse(int argc, const char *const *argv) {
    impl_->declare_common(*this);
    impl_->read_words(argc, argv);
    if (impl_->help) impl_->print_help();
    if (impl_->version && !impl_->help) std::cout << impl_->tool << " (blepipe) " << program_version << "\n";
    if (!std::cout.flush()) throw Error(ExitCode::io, "unable to write to standard output");
    if (impl_->help || impl_->version) return false;
    impl_->read_environment();
    if (impl_->quiet) impl_->level = LogLevel::warning;
    if (impl_->verbose) impl_->level = LogLevel::debug;
    set_log_level(impl_->level);
    impl_->warn_of_environment();
    return true;
}

}  // namespace ble
