// A certificate authority of a test and certificates with one fault each, made by openssl.
#pragma once

#include <fstream>
#include <string>
#include <utility>

#include "base/assert.h"
#include "tests/support/child_process.h"
#include "tests/support/temporary_directory.h"

namespace linkpilot {

class Certificates {
 public:
  struct Pair {
    std::string chain;
    std::string key;
  };

  Certificates() {
    // `openssl ca`, because only it can set both ends of the validity.
    std::ofstream(directory_.path("ca.cnf"))
        << "[ca]\ndefault_ca=d\n[d]\ndatabase=" + directory_.path("index") +
               "\nnew_certs_dir=" + directory_.path("") +
               "\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\ncopy_extensions="
               "copy\n"
               "email_in_dn=no\n[p]\ncommonName=supplied\n";
    std::ofstream(directory_.path("make.sh")) << R"sh(set -e
cd "$1"; : > index
new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
authority() {
  new_key "$1"
  openssl req -x509 -new -key "$1.key" -days 30 -subj "/CN=test $1" -out "$1.pem"
}
leaf() { # NAME SUBJECT_ALT_NAME START END AUTHORITY
  new_key "$1"
  openssl req -new -key "$1.key" -subj "/CN=$1.example" -addext "subjectAltName=$2" -out "$1.csr"
  openssl ca -batch -notext -config ca.cnf -cert "$5.pem" -keyfile "$5.key" -in "$1.csr" \
    -startdate "$3" -enddate "$4" -out "$1.pem"
}
authority authority; authority stranger
here="IP:127.0.0.1,DNS:media.test"
leaf good "$here" 20200101000000Z 20491231235959Z authority
leaf expired "$here" 20200101000000Z 20210101000000Z authority
leaf early "$here" 20400101000000Z 20490101000000Z authority
leaf elsewhere "DNS:elsewhere.test" 20200101000000Z 20491231235959Z authority
leaf unknown "$here" 20200101000000Z 20491231235959Z stranger
new_key self
openssl req -x509 -new -key self.key -days 30 -subj "/CN=self.example" \
  -addext "subjectAltName=$here" -out self.pem
)sh";
    ChildProcess make({"sh", directory_.path("make.sh"), directory_.path("")},
                      directory_.path("make.log"));
    if (make.wait() != 0) std::fprintf(stderr, "openssl failed:\n%s\n", make.log().c_str());
  }

  // good, expired, early, elsewhere (another name), unknown (its authority is not trusted), self.
  [[nodiscard]] Pair pair(const std::string& name) const {
    return {.chain = directory_.path(name + ".pem"), .key = directory_.path(name + ".key")};
  }
  [[nodiscard]] std::string authority() const { return directory_.path("authority.pem"); }

 private:
  TemporaryDirectory directory_;
};

}  // namespace linkpilot
