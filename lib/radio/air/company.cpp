#include "radio/air/company.hpp"

#include <systemd/sd-hwdb.h>

#include <cstdio>

namespace ble {

CompanyNames::CompanyNames(const std::string &path) {
    const int result =
        path.empty() ? ::sd_hwdb_new(&database_) : ::sd_hwdb_new_from_path(path.c_str(), &database_);
    if (result < 0) database_ = nullptr;
}

CompanyNames::~CompanyNames() {
    ::sd_hwdb_unref(database_);
}

const std::string &CompanyNames::find(std::uint16_t company_id) {
    const auto [place, is_new] = known_.try_emplace(company_id);
    if (is_new && database_) {
        char modalias[32];
        std::snprintf(modalias, sizeof modalias, "bluetooth:v%04X", static_cast<unsigned>(company_id));
        const char *name = nullptr;
        if (::sd_hwdb_get(database_, modalias, "ID_VENDOR_FROM_DATABASE", &name) >= 0 && name)
            place->second = name;
    }
    return place->second;
}

}  // namespace ble
