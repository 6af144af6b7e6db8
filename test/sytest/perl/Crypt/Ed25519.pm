package Crypt::Ed25519;

# The functions that Sytest uses of the module of this name, which Debian does not have, by means of CryptX, which it
# has. A secret key is the seed of 32 bytes.

use strict;
use warnings;

use Crypt::PK::Ed25519 ();
use Crypt::PRNG ();

our $VERSION = '1.05';

use constant { KEY_BYTES => 32, SIGNATURE_BYTES => 64 };

sub eddsa_secret_key { return Crypt::PRNG::random_bytes(KEY_BYTES) }

sub eddsa_public_key {
    my ($secret) = @_;
    return key_of( private => $secret )->export_key_raw('public');
}

sub eddsa_sign {
    my ( $message, undef, $secret ) = @_;
    return key_of( private => $secret )->sign_message($message);
}

# As in the original, bytes behind the signature do not matter.
sub verify {
    my ( $message, $public, $signature ) = @_;
    return 0 if length $signature < SIGNATURE_BYTES;
    return key_of( public => $public )->verify_message( substr( $signature, 0, SIGNATURE_BYTES ), $message ) ? 1 : 0;
}

sub key_of {
    my ( $kind, $bytes ) = @_;
    die "An Ed25519 key has 32 bytes\n" unless length $bytes == KEY_BYTES;
    return Crypt::PK::Ed25519->new->import_key_raw( $bytes, $kind );
}

1;
