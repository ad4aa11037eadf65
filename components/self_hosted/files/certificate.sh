# shellcheck shell=bash
# A certificate for this Droplet, signed on it.

# The server's own key never leaves it; the certificate names the addresses of this Droplet and ends before the
# authority does. Its subject is no address: to a verifier it could be a name, and the authority vouches for none.
# Whoever calls this deletes the authority's key once all is in place. Argument: the subject.
make_certificate() {
  local ends left days key=/etc/trellis/server.key
  chmod 755 /etc/trellis
  ends=$(openssl x509 -in /etc/trellis/ca.crt -noout -enddate | cut -d= -f2)
  left=$((($(date -d "$ends" +%s) - $(date +%s)) / 86400 - 1))
  days=$((left < CERTIFICATE_DAYS ? left : CERTIFICATE_DAYS))
  [ -e "$key" ] || openssl ecparam -name prime256v1 -genkey -noout -out "$key"
  openssl req -new -key "$key" -subj "/CN=$1" |
    openssl x509 -req -CA /etc/trellis/ca.crt -CAkey /etc/trellis/ca.key -CAcreateserial -days "$days" \
      -out /etc/trellis/server.crt -extfile <(
        echo "subjectAltName=IP:$PRIVATE_ADDRESS,IP:$PUBLIC_ADDRESS"
        echo "basicConstraints=critical,CA:FALSE"
        echo "keyUsage=critical,digitalSignature"
        echo "extendedKeyUsage=serverAuth"
        echo "subjectKeyIdentifier=hash"
        echo "authorityKeyIdentifier=keyid:always"
      ) 2>/dev/null
  chmod 644 /etc/trellis/server.crt /etc/trellis/ca.crt
}
