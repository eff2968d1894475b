// Names of the companies behind Bluetooth company identifiers, from systemd's hardware database.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

struct sd_hwdb;

namespace ble {

class CompanyNames {
  public:
    // Empty path: the system's database. A missing or broken database is no error: it knows no names.
    explicit CompanyNames(const std::string &path = "");
    ~CompanyNames();
    CompanyNames(const CompanyNames &) = delete;
    CompanyNames &operator=(const CompanyNames &) = delete;

    bool available() const { return database_ != nullptr; }
    // Empty: not known. Valid as long as this object.
    const std::string &find(std::uint16_t company_id);

  private:
    sd_hwdb *database_ = nullptr;
    std::unordered_map<std::uint16_t, std::string> known_;  // asked before
};

}  // namespace ble
