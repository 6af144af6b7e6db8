package Net::Async::HTTP::Server::Request;

# A request that came in, and its answer.

use strict;
use warnings;

use Scalar::Util 'weaken';

sub new {
    my ( $class, $connection, $message ) = @_;
    my $self = bless { connection => $connection, message => $message }, $class;
    # The connection holds its requests, and not the other way round as well.
    weaken( $self->{connection} );
    return $self;
}

sub as_http_request { return $_[0]->{message} }
sub stream          { return $_[0]->{connection} }
sub method          { return $_[0]->{message}->method }
sub path            { return $_[0]->{message}->uri->path }
sub query_string    { return $_[0]->{message}->uri->query }
sub query_form      { return $_[0]->{message}->uri->query_form }
sub body            { return $_[0]->{message}->content }
sub header          { return $_[0]->{message}->header( $_[1] ) }

sub query_param {
    my ( $self, $name ) = @_;
    my @form = $self->query_form;
    my @values;
    while ( my ( $key, $value ) = splice @form, 0, 2 ) {
        push @values, $value if $key eq $name;
    }
    return wantarray ? @values : $values[0];
}

sub respond {
    my ( $self, $response ) = @_;
    $response->protocol('HTTP/1.1') unless defined $response->protocol;
    $self->{answer} = $response->as_string("\r\n");
    # A TLS socket wants bytes.
    utf8::downgrade( $self->{answer} );
    my $connection = $self->{connection};
    $connection->send_answers if $connection && $connection->write_handle;
    return;
}

sub answer  { return $_[0]->{answer} }
sub is_last { return ( $_[0]->header('Connection') // '' ) =~ m/\bclose\b/i }

1;
