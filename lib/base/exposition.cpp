#include "base/exposition.hpp"

namespace ble {
namespace {

std::string listed(const Exposition::Labels &labels) {
    std::string text;
    for (const auto &[name, value] : labels)
        if (!value.empty())
            text.append(text.empty() ? "" : ",").append(name).append("=").append(in_quotes(value));
    return text;
}

}  // namespace

Exposition::Exposition(const Labels &labels) : labels_(listed(labels)) {}

void Exposition::metric(const std::string &name, Kind kind, const char *help) {
    name_ = "blepipe_" + name;
    text_ += "# HELP " + name_ + " " + help + "\n# TYPE " + name_ +
             (kind == Kind::counter ? " counter\n" : " gauge\n");
}

void Exposition::seconds(std::chrono::milliseconds time, const Labels &more) {
    const auto ms = time.count();
    write(std::to_string(ms / 1000) + "." + std::to_string(1000 + ms % 1000).substr(1), more);
}

void Exposition::write(const std::string &value, const Labels &more) {
    const std::string own = listed(more);
    text_.append(name_).append("{").append(labels_);
    text_.append(own.empty() || labels_.empty() ? "" : ",").append(own).append("} ").append(value) += '\n';
}

std::string in_quotes(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (c == '\n')
            out += "\\n";
        else
            out += c;
    }
    return out + '"';
}

}  // namespace ble
