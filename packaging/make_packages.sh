#!/usr/bin/env bash
# Builds the Debian packages of this tree: make_packages.sh DIRECTORY. They come to lie in DIRECTORY, which is made;
# what is built on the way, in DIRECTORY/work. The same sources make the same bytes, wherever DIRECTORY is.
set -euo pipefail
target=$(realpath -m "$1")
cd "$(dirname "$(readlink -f "$0")")/.."

version=$(dpkg-parsechangelog --file packaging/debian/changelog --show-field Version)
grep -qF "version: '$version'" meson.build || {
  echo "packaging/debian/changelog is of $version, meson.build is not" >&2
  exit 1
}

tree=$target/work/sluice-$version
rm -rf "$target"
mkdir -p "$tree"
# What git knows and what is new, as it lies here; without modes and times that differ from checkout to checkout.
git ls-files -z --cached --others --exclude-standard | while IFS= read -rd '' file; do
  [[ ! -e $file ]] || printf '%s\0' "$file"
done | tar --create --null --files-from=- --mode='u+rw,go=rX' | tar --extract --directory "$tree"
cp -r "$tree/packaging/debian" "$tree/debian"

cd "$tree"
PATH=/usr/lib/ccache:$PATH DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS:-parallel=$(nproc)} \
  dpkg-buildpackage --build=binary --no-sign
cd ..
mv -- *.deb *.changes *.buildinfo ..
cd ..
rm -rf work
