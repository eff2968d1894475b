// Options of a tool. Precedence: command line, then environment, then default. Every option has an environment name.
// A wrong value is Error(usage) on the command line and Error(config) in the environment; both name it. An unknown option is
// Error(usage), an unknown BLEPIPE_… in the environment a warning; both say what was probably meant.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/lifecycle.hpp"
#include "base/timestamp.hpp"

namespace ble {

class CommandLine {
  public:
    // `purpose`: one sentence for --help.
    CommandLine(const std::string &tool, const std::string &purpose);
    ~CommandLine();

    // In all of these: `flags` as in "-t,--topic" or, with a label for --help, "-t,--topic TOPIC"; `environment` empty: BLEPIPE_ and the long name (BLEPIPE_TOPIC), "-": none.
    // The value stays untouched when neither the command line nor the environment sets it; its present value is shown
    // in --help as the default. Each value must outlive parse().
    void group(const std::string &heading);  // heading in --help for the options that follow
    void text(const std::string &flags, std::string &value, const std::string &help,
              const std::string &environment = "");
    void number(const std::string &flags, std::int64_t &value, std::int64_t least, std::int64_t most,
                const std::string &help, const std::string &environment = "");
    // Seconds with an optional fraction, or with a unit: "10", "0.5", "250ms", "2m", "24h", "90d".
    void duration(const std::string &flags, std::chrono::milliseconds &value, const std::string &help,
                  const std::string &environment = "");
    // The same, where a number without a unit means days: "90", "12h", "0.5".
    void days(const std::string &flags, std::chrono::milliseconds &value, const std::string &help,
              const std::string &environment = "");
    // A point in time, or how long ago: "2026-11-22T06:30:00Z", "2026-11-22", "24h".
    void moment(const std::string &flags, std::optional<Time> &value, const std::string &help,
                const std::string &environment = "");
    // In the environment: true/yes/on/1 and false/no/off/0/empty.
    void flag(const std::string &flags, bool &value, const std::string &help,
              const std::string &environment = "");
    void choice(const std::string &flags, std::string &value, const std::vector<std::string> &choices,
                const std::string &help, const std::string &environment = "");
    // May be repeated; comma-separated in the environment.
    void texts(const std::string &flags, std::vector<std::string> &values, const std::string &help,
               const std::string &environment = "");
    // The words that are not options. `label` as in "FIFO|FILE".
    void words(const std::string &label, std::vector<std::string> &values, const std::string &help);
    // For tools without words(): what to type instead of a word that belongs to no option, as "--replay walk.pcap"; empty: not known.
    // Not called for a word that a choice() has.
    void stray(std::function<std::string(const std::string &word)> instead);
    // Lines at the end of --help: examples.
    void epilogue(const std::string &text);

    // Was the option set, by flag or environment? `name` as in "--url". Valid after parse(), so in a tool's validate().
    bool given(const std::string &name) const;
    // Was it set on the command line itself?
    bool on_command_line(const std::string &name) const;

    // Reads the words and the environment. True: go on. False: help or version was printed. Sets the log level.
    bool parse(int argc, const char *const *argv);
    const CommonOptions &common() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// The skeleton of every tool. Options is a plain struct with defaults; it holds a CommonOptions named `common`.
//   declare(options, line): names the options; touches nothing outside the process
//   validate(options, line): what concerns several options, and all that can be checked without connecting
//   run(options): the work
// Files that the process makes from then on have the mode 0640 at most.
// Catches everything: an Error ends with its code and "tool: text", anything else with 70. --check ends after validate.
int run_tool_guarded(const std::string &tool, const std::function<ExitCode()> &body);

template <class Options>
int run_tool(int argc, char **argv, const char *tool, const char *purpose,
             void (*declare)(Options &, CommandLine &), void (*validate)(Options &, const CommandLine &),
             ExitCode (*run)(const Options &)) {
    return run_tool_guarded(tool, [&]() -> ExitCode {
        Options options;
        CommandLine line(tool, purpose);
        declare(options, line);
        if (!line.parse(argc, argv)) return ExitCode::ok;
        options.common = line.common();
        validate(options, line);
        if (options.common.check) {
            check_place("metrics to", options.common.metrics);
            return ExitCode::ok;
        }
        return run(options);
    });
}

}  // namespace ble
