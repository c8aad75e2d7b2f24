#!/bin/sh
# Stands for the program that opens addresses, under whatever name it is called.
#
# usage: xdg-open URL | gio open URL
for url; do :; done
exec "$NODE" "$PERSON" "$url"
