package Net::Async::HTTP::Server;

# A small HTTP server: what Sytest uses of the module of this name, which Debian does not have. TLS is added by
# IO::Async::SSL. A subclass has a method on_request, or there is a parameter of that name.

use strict;
use warnings;
use parent 'IO::Async::Listener';

use Net::Async::HTTP::Server::Protocol;
use Net::Async::HTTP::Server::Request;

our $VERSION = '0.09';

sub _init {
    my ( $self, $params ) = @_;
    $params->{request_class} //= 'Net::Async::HTTP::Server::Request';
    $params->{handle_class} = 'Net::Async::HTTP::Server::Protocol';
    return $self->SUPER::_init($params);
}

sub configure {
    my ( $self, %params ) = @_;
    for my $name (qw( on_request request_class )) {
        $self->{$name} = delete $params{$name} if exists $params{$name};
    }
    return $self->SUPER::configure(%params);
}

# A connection is a child: it ends with its server.
sub on_accept {
    my ( $self, $connection ) = @_;
    $connection->configure( on_closed => sub { $_[0]->remove_from_parent if $_[0]->parent } );
    $self->add_child($connection);
    return;
}

sub make_request {
    my ( $self, @arguments ) = @_;
    return $self->{request_class}->new(@arguments);
}

1;
